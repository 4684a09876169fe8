#include "models/bert.h"

#include <ATen/core/grad_mode.h>

#include "models/roberta.h"
#include "tests/check.h"

namespace latentray::test::bert_test {

LoadOptions in_dtype(at::ScalarType dtype) {
  LoadOptions options;
  options.dtype = dtype;
  return options;
}

Config config_with(const nlohmann::json& changes = nlohmann::json::object()) {
  auto json = nlohmann::json::parse(read_text(golden("tiny-bert/model/config.json")));
  json.update(changes);
  return Config::parse(json.dump(), "tiny-bert");
}

StateDict weights() { return read_safetensors(golden("tiny-bert/model/model.safetensors")); }

const std::map<std::string, at::Tensor>& reference() {
  static const StateDict state = read_safetensors(golden("tiny-bert/bert.safetensors"));
  return state.tensors;
}

TextInputs reference_inputs() {
  return {.input_ids = reference().at("input_ids"),
          .attention_mask = reference().at("attention_mask"),
          .token_type_ids = reference().at("token_type_ids"),
          .output_hidden_states = true};
}

void check_against_reference(TextEncoder& encoder, double tolerance) {
  const auto encoding = encoder.forward(reference_inputs());
  expect_close(encoding.last_hidden_state, reference().at("last_hidden_state"), tolerance,
               "last_hidden_state");
  expect_close(encoder.skip_layers(encoding, 1), reference().at("hidden_states.-2"), tolerance,
               "hidden_states");
  expect_close(*encoding.pooler_output, reference().at("pooler_output"), tolerance,
               "pooler_output");
  expect_close(mean_pool(encoding.last_hidden_state, reference().at("attention_mask")),
               reference().at("mean_pooled"), tolerance, "mean_pooled");
}

TEST("bert: hidden states, pooler and mean pooling equal the reference") {
  check_against_reference(*load_text_encoder(config_with(), weights(), {}), 1e-5);
}

TEST("bert: bfloat16 and float16 stay within 2e-2") {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    check_against_reference(*load_text_encoder(config_with(), weights(), in_dtype(dtype)), 2e-2);
  }
}

TEST("bert: a file with a prefix, pre-training heads and old norm names loads") {
  StateDict published;
  for (const auto& [key, tensor] : weights().tensors) {
    std::string old_key = "bert." + key;
    const auto norm = old_key.find("LayerNorm.weight");
    if (norm != std::string::npos) old_key.replace(norm, std::string::npos, "LayerNorm.gamma");
    published.tensors[old_key] = tensor;
  }
  published.tensors["bert.embeddings.position_ids"] = at::arange(512).unsqueeze(0);
  published.tensors["cls.predictions.bias"] = at::zeros({28996});
  published.tensors["cls.seq_relationship.weight"] = at::zeros({2, 32});
  check_against_reference(*load_text_encoder(config_with(), published, {}), 1e-5);
}

TEST("bert: a checkpoint without a pooler gives no pooled output") {
  auto state = weights();
  state.tensors.erase("pooler.dense.weight");
  state.tensors.erase("pooler.dense.bias");
  const auto encoding = load_text_encoder(config_with(), state, {})->forward(reference_inputs());
  expect(!encoding.pooler_output.has_value(), "no pooler");
  expect_close(encoding.last_hidden_state, reference().at("last_hidden_state"), 1e-5, "states");
}

TEST("bert: CXR-BERT's head projects the first token") {
  auto state = weights();
  const auto wide = at::randn({16, 32});
  const auto square = at::randn({16, 16});
  const auto shift = at::randn({16});
  state.tensors["cls_projection_head.dense_to_hidden.weight"] = wide;
  state.tensors["cls_projection_head.dense_to_hidden.bias"] = shift;
  state.tensors["cls_projection_head.LayerNorm.weight"] = shift + 1;
  state.tensors["cls_projection_head.LayerNorm.bias"] = shift;
  state.tensors["cls_projection_head.dense_to_output.weight"] = square;
  state.tensors["cls_projection_head.dense_to_output.bias"] = shift;
  const auto config = config_with({{"model_type", "cxr-bert"}, {"projection_size", 16}});
  const auto encoding = load_text_encoder(config, state, {})->forward(reference_inputs());

  const auto first = encoding.last_hidden_state.select(1, 0);
  const auto hidden = at::gelu(at::linear(first, wide, shift));
  const auto normed = at::layer_norm(hidden, {16}, shift + 1, shift, 1e-12);
  expect_close(*encoding.projection, at::linear(normed, square, shift), 1e-5, "projection");
}

TEST("roberta: positions start behind the padding id and skip padding") {
  // BERT's weights with the position table moved down by one are a RoBERTa whose padding id is 0.
  StateDict state;
  state.tensors = weights().tensors;
  auto& table = state.tensors["embeddings.position_embeddings.weight"];
  table = at::cat({at::zeros({1, 32}), table.narrow(0, 0, 511)});
  std::map<std::string, at::Tensor> prefixed;
  for (const auto& [key, tensor] : state.tensors) prefixed["roberta." + key] = tensor;
  prefixed["lm_head.bias"] = at::zeros({28996});
  state.tensors = prefixed;

  const auto encoder = load_text_encoder(config_with({{"model_type", "roberta"}}), state, {});
  expect(encoder->max_length() == 511, "max_length");
  const auto encoding = encoder->forward(reference_inputs());
  expect_close(mean_pool(encoding.last_hidden_state, reference().at("attention_mask")),
               reference().at("mean_pooled"), 1e-5, "mean_pooled");
}

TEST("bert: gradients reach the word embeddings") {
  const at::AutoGradMode with_grad(true);
  const auto encoder = load_text_encoder(config_with(), weights(), {});
  auto weight = encoder->token_embedding()->weight.requires_grad_(true);
  encoder->forward(reference_inputs()).last_hidden_state.square().sum().backward();
  expect(weight.grad().abs().sum().item<float>() > 0, "gradient");
}

TEST("bert: wrong inputs, configs and keys are named") {
  const auto encoder = load_text_encoder(config_with(), weights(), {});
  const auto ids = at::ones({1, 4}, at::kLong);
  expect_error("ERR_INVALID_ARG", [&] { encoder->forward({.input_ids = ids * 28996}); });
  expect_error("ERR_INVALID_ARG",
               [&] { encoder->forward({.input_ids = ids, .token_type_ids = ids * 2}); });
  expect_error("ERR_SHAPE", [&] {
    encoder->forward({.input_ids = at::ones({1, 513}, at::kLong)});
  });
  expect_error("ERR_SHAPE", [&] {
    encoder->forward({.input_ids = ids, .attention_mask = at::ones({4}, at::kLong)});
  });
  const auto load = [](const nlohmann::json& changes) {
    load_text_encoder(config_with(changes), weights(), {});
  };
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"position_embedding_type", "relative_key"}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"is_decoder", true}}); });
  expect_error("ERR_CONFIG_INVALID", [&] {
    load({{"model_type", "roberta"}, {"pad_token_id", 512}});
  });
  auto foreign = weights();
  foreign.tensors["classifier.weight"] = at::zeros({2, 32});
  expect_error("ERR_WEIGHTS_UNEXPECTED_KEY",
               [&] { load_text_encoder(config_with(), foreign, {}); });
}

}  // namespace latentray::test::bert_test
