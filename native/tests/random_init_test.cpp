#include "models/random_init.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "tests/check.h"

namespace latentray::test::random_init_test {

using at::Tensor;

constexpr const char* kUNet = R"({
  "block_out_channels": [64, 128], "layers_per_block": 1, "cross_attention_dim": 48,
  "attention_head_dim": 8, "norm_num_groups": 16,
  "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
  "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]})";

Config config_of(const std::string& text) { return Config::parse(text, "config.json"); }

std::map<std::string, Tensor> weights_of(const torch::nn::Module& module) {
  return state_of(module).tensors;
}

void expect_number(double actual, double expected, double tolerance, const std::string& what) {
  expect(std::abs(actual - expected) <= tolerance,
         c10::str(what, ": expected ", expected, ", found ", actual));
}

// A uniform distribution in ±bound, of enough numbers to tell.
void expect_uniform(const Tensor& tensor, double bound, const std::string& what) {
  const double largest = tensor.abs().max().item<double>();
  expect(largest <= bound && largest > 0.97 * bound, what + ": bound");
  expect_number(tensor.mean().item<double>(), 0, 0.05 * bound, what + ": mean");
  expect_number(tensor.std().item<double>(), bound / std::sqrt(3.0), 0.05 * bound, what + ": std");
}

void expect_normal(const Tensor& tensor, double deviation, const std::string& what) {
  expect_number(tensor.mean().item<double>(), 0, 0.1 * deviation, what + ": mean");
  expect_number(tensor.std().item<double>(), deviation, 0.05 * deviation, what + ": std");
  expect(tensor.abs().max().item<double>() > 2.5 * deviation, what + ": tails");
}

void expect_equal(const torch::nn::Module& actual, const torch::nn::Module& expected) {
  const auto values = weights_of(expected);
  for (const auto& [name, tensor] : weights_of(actual)) {
    expect(tensor.equal(values.at(name)) && tensor.scalar_type() == at::kFloat, name);
  }
}

TEST("random init: a U-Net has what PyTorch's layers draw") {
  const auto unet = create_unet(config_of(kUNet), 5, at::kCPU);
  const auto weights = weights_of(*unet);
  expect(!unet->is_training(), "evaluation mode");
  for (const auto& [name, tensor] : weights) {
    expect(tensor.is_contiguous() && !tensor.requires_grad(), name);
    const bool is_norm = name.find("norm") != std::string::npos;
    if (is_norm) {
      const auto expected =
          name.ends_with("weight") ? at::ones_like(tensor) : at::zeros_like(tensor);
      expect(tensor.equal(expected), name);
    } else if (tensor.numel() > 4000) {
      const auto fan_in = static_cast<double>(tensor[0].numel());
      expect_uniform(tensor, 1 / std::sqrt(fan_in), name);
    }
  }
  expect_uniform(weights.at("time_embedding.linear_1.bias"), 1 / 8.0, "a bias");
}

TEST("random init: a seed is a model, whatever the number of threads") {
  const int threads = at::get_num_threads();
  const auto one = create_unet(config_of(kUNet), 7, at::kCPU);
  at::set_num_threads(threads == 1 ? 2 : 1);
  const auto same = create_unet(config_of(kUNet), 7, at::kCPU);
  at::set_num_threads(threads);
  expect_equal(*one, *same);
  const auto other = create_unet(config_of(kUNet), 8, at::kCPU);
  expect(!weights_of(*one).at("conv_in.weight").equal(weights_of(*other).at("conv_in.weight")),
         "another seed");
}

TEST("random init: CLIP's deviations follow from its width and depth") {
  const auto config = config_of(R"({
    "model_type": "clip_text_model", "vocab_size": 500, "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 96,
    "initializer_factor": 0.5, "architectures": ["CLIPTextModelWithProjection"]})");
  const auto encoder = create_text_encoder(config, 1, at::kCPU);
  const auto weights = weights_of(*encoder);
  const std::string layer = "text_model.encoder.layers.1.";
  const std::map<std::string, double> expected{
      {"text_model.embeddings.token_embedding.weight", 0.5 * 0.02},
      {"text_model.embeddings.position_embedding.weight", 0.5 * 0.02},
      {layer + "self_attn.q_proj.weight", 0.5 / 16},
      {layer + "self_attn.out_proj.weight", 0.5 / 8},
      {layer + "mlp.fc1.weight", 0.5 / std::sqrt(128.0)},
      {layer + "mlp.fc2.weight", 0.5 / 16},
      {"text_projection.weight", 0.5 / 8}};
  for (const auto& [name, deviation] : expected) expect_normal(weights.at(name), deviation, name);
  for (const auto& [name, tensor] : weights) {
    if (name.ends_with("bias")) expect(tensor.equal(at::zeros_like(tensor)), name);
  }
  expect(weights.at("text_model.final_layer_norm.weight").equal(at::ones({64})), "a norm");
}

constexpr const char* kBert = R"({
  "model_type": "TYPE", "vocab_size": 200, "hidden_size": 64, "intermediate_size": 128,
  "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 40,
  "initializer_range": 0.1})";

Config bert_config(const std::string& type) {
  std::string text = kBert;
  return config_of(text.replace(text.find("TYPE"), 4, type));
}

TEST("random init: BERT, RoBERTa and CXR-BERT draw from initializer_range") {
  for (const std::string type : {"bert", "roberta", "cxr-bert"}) {
    const auto weights = weights_of(*create_text_encoder(bert_config(type), 3, at::kCPU));
    expect_normal(weights.at("encoder.layer.0.intermediate.dense.weight"), 0.1, type);
    expect_normal(weights.at("embeddings.word_embeddings.weight"), 0.1, type);
    expect(weights.at("encoder.layer.1.output.dense.bias").equal(at::zeros({64})), "bias");
    const auto is_zero = [&](const std::string& name, int64_t row) {
      return weights.at(name)[row].equal(at::zeros({64}));
    };
    const int64_t padding = type == "roberta" ? 1 : 0;
    expect(is_zero("embeddings.word_embeddings.weight", padding), "padding");
    expect(is_zero("embeddings.position_embeddings.weight", padding) == (type == "roberta"),
           "its position");
    const bool is_cxr = type == "cxr-bert";
    expect(weights.count("pooler.dense.weight") == (is_cxr ? 0 : 1), "pooler");
    expect(weights.count("cls_projection_head.dense_to_output.weight") == (is_cxr ? 1 : 0),
           "projection head");
  }
}

TEST("random init: impossible configs are named") {
  const auto with = [](const std::string& key, const nlohmann::json& value) {
    auto json = bert_config("bert").json();
    json[key] = value;
    return Config::parse(json.dump(), "config.json");
  };
  for (const auto& config : {with("initializer_range", -1), with("pad_token_id", 200),
                             with("num_attention_heads", 5), with("model_type", "t5")}) {
    expect_error("ERR_CONFIG_INVALID", [&] { create_text_encoder(config, 0, at::kCPU); });
  }
  expect_error("ERR_CONFIG_INVALID", [] { create_autoencoder(config_of("{}"), 0, at::kCPU); });
  expect_error("ERR_CONFIG_INVALID",
               [] { create_unet(config_of(R"({"norm_num_groups": 7})"), 0, at::kCPU); });
}

}  // namespace latentray::test::random_init_test
