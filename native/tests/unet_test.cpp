#include "models/unet.h"

#include <cstring>

#include "core/cancellation.h"
#include "nn/attention.h"
#include "tests/check.h"

namespace latentray::test::unet_test {

constexpr double kTolerance = 1e-5;
constexpr double kBfloat16Tolerance = 2e-2;

Config unet_config(const std::string& family) {
  const auto path = golden(family + "/model/unet/config.json");
  return Config::parse(read_text(path), path);
}

UNet2DConditionModel load_unet(const std::string& family,
                               std::optional<at::ScalarType> dtype = std::nullopt) {
  UNet2DConditionModel unet(UNet2DConditionOptions::from_config(unet_config(family)));
  const auto weights =
      read_safetensors(golden(family + "/model/unet/diffusion_pytorch_model.safetensors"));
  LoadOptions options;
  options.dtype = dtype;
  load_state_dict(*unet, weights, options);
  return unet;
}

std::map<std::string, Tensor> golden_case(const std::string& family, const std::string& name) {
  return read_safetensors(golden(family + "/unet_" + name + ".safetensors")).tensors;
}

Tensor run(UNet2DConditionModel& unet, const std::map<std::string, Tensor>& values) {
  UNetConditions conditions;
  if (values.count("encoder_attention_mask")) {
    conditions.encoder_attention_mask = values.at("encoder_attention_mask");
  }
  return unet(values.at("sample"), values.at("timestep"), values.at("encoder_hidden_states"),
              conditions);
}

// Checks the output of every part that the golden case recorded, each fed with our own activations.
void expect_activations(UNet2DConditionModel& unet, const std::map<std::string, Tensor>& values) {
  const auto modules = unet->named_modules();
  const auto check = [&](const std::string& name, const Tensor& activation) {
    expect_close(activation, values.at("act." + name), kTolerance, name);
  };
  const auto part = [&](const std::string& family, size_t i) { return family + std::to_string(i); };
  const auto& options = unet->options();
  const nn::SinusoidOptions sinusoid{options.block_out_channels[0], options.flip_sin_to_cos,
                                     options.freq_shift};

  UNetContext context;
  context.text.encoder_hidden_states = values.at("encoder_hidden_states");
  context.temb = modules["time_embedding"]->as<nn::TimestepEmbeddingImpl>()->forward(
      nn::sinusoidal_embedding(values.at("timestep"), sinusoid));
  check("time_embedding", context.temb);
  auto hidden = modules["conv_in"]->as<nn::Conv2dImpl>()->forward(values.at("sample"));
  check("conv_in", hidden);

  std::vector<Tensor> skips = {hidden};
  const size_t levels = options.block_out_channels.size();
  for (size_t i = 0; i < levels; ++i) {
    const auto name = part("down_blocks.", i);
    hidden = modules[name]->as<UNetDownBlock2DImpl>()->forward(hidden, context, skips);
    check(name, hidden);
  }
  hidden = modules["mid_block"]->as<UNetMidBlock2DCrossAttnImpl>()->forward(hidden, context);
  check("mid_block", hidden);
  for (size_t i = 0; i < levels; ++i) {
    const auto name = part("up_blocks.", i);
    hidden = modules[name]->as<UNetUpBlock2DImpl>()->forward(hidden, context, skips);
    check(name, hidden);
  }
  check("conv_norm_out", modules["conv_norm_out"]->as<nn::GroupNormImpl>()->forward(hidden));
}

void expect_family(const std::string& family) {
  auto unet = load_unet(family);
  for (const char* name : {"square", "odd", "mixed_t", "masked"}) {
    const auto values = golden_case(family, name);
    expect_close(run(unet, values), values.at("output"), kTolerance, name);
  }
}

// ERR_SHAPE, and every one of `parts` in the message.
void expect_message(const std::string& code, const std::vector<std::string>& parts,
                    const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    expect(error.code() == code, "expected " + code + ", caught " + error.code());
    for (const auto& part : parts) {
      expect(std::strstr(error.what(), part.c_str()),
             "the message lacks '" + part + "': " + error.what());
    }
    return;
  }
  throw std::runtime_error("expected " + code + ", nothing was thrown");
}

Config altered(const std::string& key, const nlohmann::json& value) {
  auto json = unet_config("tiny-sd1").json();
  json[key] = value;
  return Config::parse(json.dump(), "config.json");
}

TEST("unet: Stable Diffusion 1 outputs equal the reference") { expect_family("tiny-sd1"); }

TEST("unet: Stable Diffusion 2 outputs equal the reference") { expect_family("tiny-sd2"); }

TEST("unet: every recorded activation equals the reference") {
  for (const char* family : {"tiny-sd1", "tiny-sd2"}) {
    auto unet = load_unet(family);
    expect_activations(unet, golden_case(family, "square"));
  }
}

TEST("unet: bfloat16 stays within its tolerance") {
  for (const char* family : {"tiny-sd1", "tiny-sd2"}) {
    auto unet = load_unet(family, at::kBFloat16);
    auto values = golden_case(family, "square");
    const auto expected = values.at("output");
    for (const char* input : {"sample", "encoder_hidden_states"}) {
      values[input] = values.at(input).to(at::kBFloat16);
    }
    const auto output = run(unet, values);
    expect(output.scalar_type() == at::kBFloat16, "the output's dtype");
    expect_close(output, expected, kBfloat16Tolerance, family);
  }
}

TEST("unet: a scalar timestep serves the whole batch") {
  auto unet = load_unet("tiny-sd1");
  auto values = golden_case("tiny-sd1", "mixed_t");
  values["timestep"] = at::full({3}, 400, at::kLong);
  const auto expected = run(unet, values);
  values["timestep"] = at::scalar_tensor(400, at::kLong);
  expect(at::equal(run(unet, values), expected), "timestep []");
  values["timestep"] = at::full({1}, 400.0, at::kDouble);
  expect(at::equal(run(unet, values), expected), "timestep [1]");
}

TEST("unet: zero ControlNet residuals change nothing, others do") {
  auto unet = load_unet("tiny-sd1");
  const auto values = golden_case("tiny-sd1", "square");
  const auto forward = [&](double value) {
    UNetConditions conditions;
    const std::vector<int64_t> widths = {32, 32, 32, 32, 32, 32, 32, 64, 64, 64, 64, 64};
    const std::vector<int64_t> sizes = {16, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2};
    for (size_t i = 0; i < widths.size(); ++i) {
      conditions.down_block_additional_residuals.push_back(
          at::full({2, widths[i], sizes[i], sizes[i]}, value));
    }
    conditions.mid_block_additional_residual = at::full({2, 64, 2, 2}, value);
    return unet(values.at("sample"), values.at("timestep"), values.at("encoder_hidden_states"),
                conditions);
  };
  expect_close(forward(0), values.at("output"), kTolerance, "zeros");
  expect(!at::allclose(forward(0.5), values.at("output")), "halves change the output");
}

TEST("unet: gradients reach every parameter") {
  const at::AutoGradMode with_grad(true);
  auto unet = load_unet("tiny-sd1");
  for (auto& parameter : unet->parameters()) parameter.set_requires_grad(true);
  run(unet, golden_case("tiny-sd1", "masked")).square().mean().backward();
  for (const auto& parameter : unet->named_parameters()) {
    expect(parameter.value().grad().defined(), parameter.key() + " has a gradient");
  }
}

TEST("unet: a cancelled token stops the forward") {
  auto unet = load_unet("tiny-sd1");
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  try {
    run(unet, golden_case("tiny-sd1", "odd"));
  } catch (const Cancelled&) {
    return;
  }
  throw std::runtime_error("expected Cancelled");
}

TEST("unet: wrong inputs are named with what was expected and found") {
  auto unet = load_unet("tiny-sd1");
  const auto valid = golden_case("tiny-sd1", "mixed_t");
  const auto with = [&](const std::string& name, const Tensor& value) {
    return [&unet, values = valid, name, value]() mutable {
      values[name] = value;
      run(unet, values);
    };
  };
  expect_message("ERR_SHAPE", {"sample", "[N, 4, H, W]", "[3, 5, 16, 16]"},
                 with("sample", at::zeros({3, 5, 16, 16})));
  expect_message("ERR_SHAPE", {"encoder_hidden_states", "32", "48"},
                 with("encoder_hidden_states", at::zeros({3, 77, 48})));
  expect_message("ERR_SHAPE", {"encoder_hidden_states", "[3, L, 32]", "[2, 77, 32]"},
                 with("encoder_hidden_states", at::zeros({2, 77, 32})));
  expect_message("ERR_SHAPE", {"timestep", "[3]", "[2]"},
                 with("timestep", at::zeros({2}, at::kLong)));
  expect_message("ERR_SHAPE", {"encoder_attention_mask", "[3, 77]", "[3, 76]"},
                 with("encoder_attention_mask", at::ones({3, 76}, at::kBool)));
  expect_message("ERR_DTYPE", {"sample", "float32", "float64"},
                 with("sample", at::zeros({3, 4, 16, 16}, at::kDouble)));
}

TEST("unet: half a ControlNet is refused") {
  auto unet = load_unet("tiny-sd1");
  const auto values = golden_case("tiny-sd1", "odd");
  UNetConditions conditions;
  conditions.mid_block_additional_residual = at::zeros({1, 64, 2, 2});
  expect_error("ERR_INVALID_ARG", [&] {
    unet(values.at("sample"), values.at("timestep"), values.at("encoder_hidden_states"),
         conditions);
  });
}

TEST("unet: config values that are not implemented are refused by name") {
  const std::vector<std::pair<std::string, nlohmann::json>> unsupported = {
      {"class_embed_type", "timestep"},
      {"resnet_time_scale_shift", "scale_shift"},
      {"act_fn", "mish"},
      {"mid_block_type", "UNetMidBlock2D"},
      {"addition_embed_type", "text_time"},
      {"num_attention_heads", 4},
      {"dropout", 0.1},
      {"down_block_types", {"KDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"}},
      {"up_block_types", {"UpBlock2D"}},
      {"block_out_channels", {32, 32, 64, 65}},
      {"attention_head_dim", 7},
      {"attention_head_dim", {8, 8}},
      {"cross_attention_dim", {32, 32, 32, 64}},
      {"only_cross_attention", {true}},
      {"layers_per_block", 0},
      {"layers_per_block", 1000000000},
      {"freq_shift", 16},
      {"in_channels", "four"},
  };
  for (const auto& [key, value] : unsupported) {
    const auto config = altered(key, value);
    expect_message("ERR_CONFIG_INVALID", {"'" + key + "'"},
                   [&] { UNet2DConditionOptions::from_config(config); });
  }
}

TEST("attention: scores beyond float16's range do not overflow") {
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    nn::Attention attention(nn::AttentionOptions{
        .query_dim = 64, .cross_attention_dim = {}, .heads = 1, .dim_head = 64});
    for (auto& parameter : attention->named_parameters()) {
      const bool weight = parameter.value().dim() == 2;
      parameter.value().set_data((weight ? at::eye(64) : at::zeros({64})).to(dtype));
    }
    // The score of the large token with itself is 64 · 200² / 8 = 320,000.
    auto tokens = at::full({1, 2, 64}, 200.0);
    tokens[0][1].fill_(1.0);
    const auto output = attention(tokens.to(dtype));
    expect_close(output, at::full({1, 2, 64}, 200.0), 1e-3, "all attention on the large token");
  }
}

}  // namespace latentray::test::unet_test
