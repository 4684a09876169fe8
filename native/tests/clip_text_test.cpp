#include "models/clip_text.h"

#include <ATen/core/grad_mode.h>

#include "core/cancellation.h"
#include "tests/check.h"

namespace latentray::test::clip_text_test {

LoadOptions in_dtype(at::ScalarType dtype) {
  LoadOptions options;
  options.dtype = dtype;
  return options;
}

Config config_of(const std::string& family) {
  const std::string path = golden(family + "/model/text_encoder/config.json");
  return Config::parse(read_text(path), path);
}

Config changed(const Config& config, const nlohmann::json& changes) {
  auto json = config.json();
  json.update(changes);
  return Config::parse(json.dump(), "test");
}

StateDict weights_of(const std::string& family) {
  return read_safetensors(golden(family + "/model/text_encoder/model.safetensors"));
}

std::shared_ptr<TextEncoder> encoder_of(const std::string& family,
                                        const LoadOptions& options = {}) {
  return load_text_encoder(config_of(family), weights_of(family), options);
}

TextInputs inputs_of(const StateDict& reference) {
  return {.input_ids = reference.tensors.at("input_ids"), .output_hidden_states = true};
}

void check_against(const StateDict& reference, TextEncoder& encoder, double tolerance) {
  const auto encoding = encoder.forward(inputs_of(reference));
  const auto& expected = reference.tensors;
  const auto& states = encoding.hidden_states;
  expect_close(encoding.last_hidden_state, expected.at("last_hidden_state"), tolerance,
               "last_hidden_state");
  expect_close(states[states.size() - 2], expected.at("hidden_states.-2"), tolerance,
               "hidden_states");
  expect_close(*encoding.pooler_output, expected.at("pooler_output"), tolerance, "pooler_output");
  expect_close(encoder.skip_layers(encoding, 1), expected.at("clip_skip_1"), tolerance,
               "clip skip 1");
  expect(at::equal(encoder.skip_layers(encoding, 0), encoding.last_hidden_state), "clip skip 0");
}

TEST("clip_text: hidden states, pooled output and clip skip equal the reference") {
  for (const std::string family : {"tiny-sd1", "tiny-sd2"}) {
    const auto reference = read_safetensors(golden(family + "/text_encoder.safetensors"));
    check_against(reference, *encoder_of(family), 1e-5);
  }
}

TEST("clip_text: bfloat16 and float16 stay within 2e-2") {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto reference = read_safetensors(golden("tiny-sd1/text_encoder.safetensors"));
    check_against(reference, *encoder_of("tiny-sd1", in_dtype(dtype)), 2e-2);
  }
}

TEST("clip_text: published key prefix and the old position buffer are understood") {
  StateDict published = weights_of("tiny-sd1");
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, tensor] : published.tensors) tensors["text_model." + key] = tensor;
  tensors["text_model.embeddings.position_ids"] = at::arange(77).unsqueeze(0);
  published.tensors = tensors;
  const auto encoder = load_text_encoder(config_of("tiny-sd1"), published, {});
  check_against(read_safetensors(golden("tiny-sd1/text_encoder.safetensors")), *encoder, 1e-5);
  expect(encoder->named_parameters().contains("text_model.final_layer_norm.weight"),
         "own key names");
}

TEST("clip_text: a config with the old eos_token_id 2 pools at the highest id") {
  const auto config = changed(config_of("tiny-sd1"), {{"eos_token_id", 2}});
  const auto encoder = load_text_encoder(config, weights_of("tiny-sd1"), {});
  check_against(read_safetensors(golden("tiny-sd1/text_encoder.safetensors")), *encoder, 1e-5);
}

TEST("clip_text: the first of several end tokens is the pooled one") {
  const auto encoder = encoder_of("tiny-sd1");
  const auto ids = at::tensor({49406, 320, 49407, 49407, 49407}, at::kLong).unsqueeze(0);
  const auto encoding = encoder->forward({.input_ids = ids});
  expect(at::equal(*encoding.pooler_output, encoding.last_hidden_state.select(1, 2)), "pooled");
  expect(encoding.hidden_states.empty(), "hidden states come only when asked for");
}

TEST("clip_text: padding is not attended to, and a wholly masked text gives finite states") {
  const auto encoder = encoder_of("tiny-sd1");
  const auto reference = read_safetensors(golden("tiny-sd1/text_encoder.safetensors"));
  auto inputs = inputs_of(reference);
  const auto plain = encoder->forward(inputs).last_hidden_state;
  inputs.attention_mask = at::ones_like(inputs.input_ids);
  expect(at::equal(encoder->forward(inputs).last_hidden_state, plain),
         "a mask of ones changes nothing");

  inputs.attention_mask->narrow(1, 5, 72).zero_();
  const auto masked = encoder->forward(inputs).last_hidden_state;
  expect_close(masked.narrow(1, 0, 5), plain.narrow(1, 0, 5), 1e-6, "states before the padding");
  expect(!at::allclose(masked.narrow(1, 5, 72), plain.narrow(1, 5, 72)), "states of the padding");

  inputs.attention_mask->zero_();
  expect(encoder->forward(inputs).last_hidden_state.isfinite().all().item<bool>(), "finite");
}

TEST("clip_text: a projection in the file is applied to the pooled output") {
  auto state = weights_of("tiny-sd1");
  state.tensors["text_projection.weight"] = at::ones({32, 32});
  const auto encoder = load_text_encoder(config_of("tiny-sd1"), state, {});
  const auto encoding =
      encoder->forward(inputs_of(read_safetensors(golden("tiny-sd1/text_encoder.safetensors"))));
  const auto sums = encoding.pooler_output->sum(1, true).expand({3, 32});
  expect_close(*encoding.projection, sums, 1e-5, "projection");
}

TEST("clip_text: gradients reach the token embeddings") {
  const at::AutoGradMode with_grad(true);
  const auto encoder = encoder_of("tiny-sd1");
  auto weight = encoder->token_embedding()->weight.requires_grad_(true);
  const auto ids = at::tensor({49406, 320, 49407}, at::kLong).unsqueeze(0);
  encoder->forward({.input_ids = ids}).last_hidden_state.square().sum().backward();
  expect(weight.grad()[320].abs().sum().item<float>() > 0, "a token that occurs");
  expect(weight.grad()[321].abs().sum().item<float>() == 0, "a token that does not");
}

TEST("clip_text: a cancelled thread stops between layers") {
  const auto encoder = encoder_of("tiny-sd1");
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  try {
    encoder->forward({.input_ids = at::full({1, 2}, 320, at::kLong)});
  } catch (const Cancelled&) {
    return;
  }
  throw std::runtime_error("expected Cancelled");
}

TEST("clip_text: wrong inputs are named") {
  const auto encoder = encoder_of("tiny-sd1");
  const auto forward = [&](const at::Tensor& ids) { encoder->forward({.input_ids = ids}); };
  expect_error("ERR_INVALID_ARG", [&] { forward(at::full({1, 3}, 49408, at::kLong)); });
  expect_error("ERR_INVALID_ARG", [&] { forward(at::full({1, 3}, -1, at::kLong)); });
  expect_error("ERR_SHAPE", [&] { forward(at::zeros({1, 78}, at::kLong)); });
  expect_error("ERR_SHAPE", [&] { forward(at::zeros({3}, at::kLong)); });
  expect_error("ERR_SHAPE", [&] { forward(at::zeros({1, 0}, at::kLong)); });
  expect_error("ERR_DTYPE", [&] { forward(at::zeros({1, 3})); });

  const auto ids = at::zeros({1, 3}, at::kLong);
  expect_error("ERR_SHAPE", [&] {
    encoder->forward({.input_ids = ids, .attention_mask = at::ones({1, 4}, at::kLong)});
  });
  expect_error("ERR_INVALID_ARG",
               [&] { encoder->forward({.input_ids = ids, .token_type_ids = ids}); });
  expect_error("ERR_INVALID_ARG",
               [&] { encoder->skip_layers(encoder->forward({.input_ids = ids}), 1); });
  expect_error("ERR_INVALID_ARG", [&] {
    encoder->skip_layers(encoder->forward({.input_ids = ids, .output_hidden_states = true}), 4);
  });
}

TEST("clip_text: impossible configs and foreign weights are named") {
  const auto load = [](const nlohmann::json& changes) {
    load_text_encoder(changed(config_of("tiny-sd1"), changes), weights_of("tiny-sd1"), {});
  };
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"num_attention_heads", 0}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"num_attention_heads", 5}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"num_hidden_layers", 1 << 30}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"hidden_size", -32}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"hidden_act", "tanhshrink"}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"model_type", "t5"}}); });
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load({{"num_hidden_layers", 4}}); });
  expect_error("ERR_WEIGHTS_SHAPE", [&] { load({{"hidden_size", 64}}); });
}

}  // namespace latentray::test::clip_text_test
