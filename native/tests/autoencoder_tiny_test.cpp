#include "models/autoencoder_tiny.h"

#include <ATen/core/grad_mode.h>

#include "models/autoencoder_tiny_weights.h"
#include "tests/check.h"

namespace latentray::test::autoencoder_tiny_test {

LoadOptions in_dtype(at::ScalarType dtype) {
  LoadOptions options;
  options.dtype = dtype;
  return options;
}

Config config_with(const nlohmann::json& changes = nlohmann::json::object()) {
  auto json = nlohmann::json::parse(read_text(golden("tiny-taesd/model/config.json")));
  json.update(changes);
  return Config::parse(json.dump(), "tiny-taesd");
}

StateDict weights() {
  return read_safetensors(golden("tiny-taesd/model/diffusion_pytorch_model.safetensors"));
}

std::string taef2(const std::string& name) { return golden("../data/weights/taef2/" + name); }

StateDict taef2_encoder() { return read_safetensors(taef2("taef2_encoder.safetensors")); }
StateDict taef2_decoder() { return read_safetensors(taef2("taef2_decoder.safetensors")); }

void check_taesd(Autoencoder& model, double tolerance, at::ScalarType dtype = at::kFloat) {
  const auto reference = read_safetensors(golden("tiny-taesd/taesd.safetensors")).tensors;
  const auto latents = model.encode(reference.at("pixels").to(dtype));
  expect(!latents.logvar.has_value(), "one point, no variance");
  expect_close(latents.mean, reference.at("latents"), tolerance, "latents");
  expect_close(model.decode(reference.at("latents").to(dtype)), reference.at("decoded"), tolerance,
               "decoded");
}

// The published case holds images in [0, 1].
void check_taef2(Autoencoder& model, double tolerance, at::ScalarType dtype = at::kFloat) {
  const auto reference = read_safetensors(taef2("golden_fp32_64px_ramp.safetensors")).tensors;
  const auto latents = model.encode((reference.at("input") * 2 - 1).to(dtype)).mean;
  expect_close(latents, reference.at("latent"), tolerance, "latent");
  expect_close((model.decode(latents) + 1) / 2, reference.at("output"), tolerance, "output");
}

TEST("autoencoder_tiny: latents and decoded pixels equal the reference") {
  check_taesd(*load_autoencoder(config_with(), weights(), {}), 1e-5);
}

TEST("autoencoder_tiny: bfloat16 and float16 stay within 2e-2") {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    check_taesd(*load_autoencoder(config_with(), weights(), in_dtype(dtype)), 2e-2, dtype);
  }
}

TEST("autoencoder_tiny: a point distribution draws no noise") {
  const auto model = load_autoencoder(config_with(), weights(), {});
  const auto latents = model->encode(at::zeros({1, 3, 16, 16}));
  NoiseSource noise({5}), untouched({5});
  expect(at::equal(latents.sample(noise), latents.mean), "sample");
  expect(at::equal(noise.randn({3}, at::kFloat), untouched.randn({3}, at::kFloat)), "noise");
}

TEST("taef2: the published pair of files equals its reference") {
  const auto model = load_taesd(taef2_encoder(), taef2_decoder(), in_dtype(at::kFloat));
  expect(model->latent_space().latent_channels == 32, "latent channels");
  expect(model->latent_space().downscale == 8, "downscale");
  expect(model->options().use_midblock_gn, "pooled blocks");
  check_taef2(*model, 1e-5);
}

TEST("taef2: float16, and the pixels restored in bfloat16, stay within 2e-2") {
  check_taef2(*load_taesd(taef2_encoder(), taef2_decoder(), in_dtype(at::kHalf)), 2e-2, at::kHalf);
  // The latents are 5.7e-2 off in PyTorch's own bfloat16.
  const auto model = load_taesd(taef2_encoder(), taef2_decoder(), in_dtype(at::kBFloat16));
  const auto reference = read_safetensors(taef2("golden_fp32_64px_ramp.safetensors")).tensors;
  const auto pixels = (reference.at("input") * 2 - 1).to(at::kBFloat16);
  const auto restored = model->decode(model->encode(pixels).mean);
  expect_close((restored + 1) / 2, reference.at("output"), 2e-2, "output");
}

TEST("taef2: its config and keys load as any autoencoder's") {
  const auto encoder = taef2_encoder();
  const auto decoder = taef2_decoder();
  const auto json = taesd_options(encoder, decoder).to_json();
  const auto config = Config::parse(json.dump(), "taef2");
  check_taef2(*load_autoencoder(config, taesd_keys(encoder, decoder), in_dtype(at::kFloat)), 1e-5);
  expect(AutoencoderTinyOptions::from_config(config).to_json() == json, "config read back");
}

TEST("taesd: a pair of files without pooled blocks is understood") {
  StateDict encoder, decoder;
  for (const auto& [key, tensor] : weights().tensors) {
    if (key.starts_with("encoder.layers.")) encoder.tensors[key.substr(15)] = tensor;
    if (!key.starts_with("decoder.layers.")) continue;
    const auto dot = key.find('.', 15);
    const int layer = std::stoi(key.substr(15, dot - 15)) + 1;
    decoder.tensors[std::to_string(layer) + key.substr(dot)] = tensor;
  }
  check_taesd(*load_taesd(encoder, decoder, {}), 1e-5);
}

TEST("autoencoder_tiny: channels-last weights and pixels give the same, as dense tensors") {
  const auto model = load_taesd(taef2_encoder(), taef2_decoder(), in_dtype(at::kFloat));
  for (auto& parameter : model->parameters()) {
    if (parameter.dim() != 4) continue;
    parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  check_taef2(*model, 1e-5);
  const auto pixels = at::zeros({2, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto latents = model->encode(pixels).mean;
  expect(latents.is_contiguous(), "encoded");
  expect(model->decode(latents).is_contiguous(), "decoded");
}

TEST("autoencoder_tiny: gradients reach every parameter") {
  const at::AutoGradMode with_grad(true);
  const auto model = load_taesd(taef2_encoder(), taef2_decoder(), in_dtype(at::kFloat));
  auto parameters = model->named_parameters();
  for (auto& parameter : parameters) parameter.value().requires_grad_(true);
  model->decode(model->encode(at::rand({1, 3, 16, 16}) * 2 - 1).mean).square().sum().backward();
  for (const auto& parameter : parameters) {
    expect(parameter.value().grad().defined(), parameter.key());
  }
}

TEST("autoencoder_tiny: wrong inputs, configs and files are named") {
  const auto model = load_autoencoder(config_with(), weights(), {});
  expect_error("ERR_SHAPE", [&] { model->encode(at::zeros({1, 3, 12, 16})); });
  expect_error("ERR_SHAPE", [&] { model->decode(at::zeros({1, 16, 8, 8})); });
  expect_error("ERR_DTYPE", [&] { model->decode(at::zeros({1, 4, 8, 8}, at::kDouble)); });

  const auto load = [](const nlohmann::json& changes) {
    load_autoencoder(config_with(changes), weights(), {});
  };
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"upsample_fn", "bilinear"}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"upsampling_scaling_factor", 4}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"act_fn", "selu"}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"num_decoder_blocks", {3, 1}}}); });
  expect_error("ERR_CONFIG_INVALID", [&] {
    load({{"encoder_block_out_channels", {64, 64, 32, 64}}});
  });
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load({{"use_midblock_gn", true}}); });

  expect_error("ERR_WEIGHTS_UNEXPECTED_KEY", [&] { load_taesd(weights(), weights(), {}); });
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load_taesd({}, taef2_decoder(), {}); });
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load_taesd(taef2_encoder(), {}, {}); });
  expect_error("ERR_WEIGHTS_MISSING_KEY",
               [&] { load_taesd(taef2_decoder(), taef2_encoder(), {}); });
}

}  // namespace latentray::test::autoencoder_tiny_test
