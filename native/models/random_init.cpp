#include "models/random_init.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "core/cancellation.h"
#include "models/bert.h"
#include "models/clip_text.h"
#include "models/positive_integer.h"
#include "models/roberta.h"
#include "nn/batch_norm.h"
#include "nn/module_parameters.h"

namespace latentray {

using at::Tensor;

namespace {

at::Generator generator_of(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

// A parameter that waits for its weights gets memory of its own.
Tensor& with_memory(Tensor& parameter) {
  cancellation_point();
  parameter.set_data(at::empty(parameter.sizes()));
  return parameter;
}

void draw_affine(Tensor& weight, Tensor& bias, const at::Generator& generator) {
  // In PyTorch's order of operations, for equal bits.
  const auto fan_in = static_cast<double>(weight[0].numel());
  const double a = std::sqrt(5.0);
  const double gain = std::sqrt(2.0 / (1 + a * a));
  const double bound = std::sqrt(3.0) * (gain / std::sqrt(fan_in));
  with_memory(weight).uniform_(-bound, bound, generator);
  if (!bias.defined()) return;
  const double bias_bound = 1 / std::sqrt(fan_in);
  with_memory(bias).uniform_(-bias_bound, bias_bound, generator);
}

void make_identity(Tensor& weight, Tensor& bias) {
  with_memory(weight).fill_(1);
  with_memory(bias).zero_();
}

void draw_own_weights(torch::nn::Module& module, const at::Generator& generator) {
  if (auto* linear = module.as<nn::LinearImpl>()) {
    draw_affine(linear->weight, linear->bias, generator);
  } else if (auto* convolution = module.as<nn::Conv2dImpl>()) {
    draw_affine(convolution->weight, convolution->bias, generator);
  } else if (auto* group_norm = module.as<nn::GroupNormImpl>()) {
    make_identity(group_norm->weight, group_norm->bias);
  } else if (auto* layer_norm = module.as<nn::LayerNormImpl>()) {
    make_identity(layer_norm->weight, layer_norm->bias);
  } else if (auto* batch_norm = module.as<nn::BatchNorm2dImpl>()) {
    make_identity(batch_norm->weight, batch_norm->bias);
    make_identity(batch_norm->running_var, batch_norm->running_mean);
  } else if (auto* embedding = module.as<nn::EmbeddingImpl>()) {
    with_memory(embedding->weight).normal_(0, 1, generator);
  }
}

// The deviation of a parameter's normal distribution, by its name.
using Deviation = std::function<double(const std::string& name)>;

// Linear layers and embeddings as transformers draws them; norms stay what they were.
void draw_text_weights(TextEncoder& model, uint64_t seed, const Deviation& deviation) {
  const auto generator = generator_of(seed);
  for (auto& entry : model.named_modules()) {
    auto& module = *entry.value();
    if (auto* linear = module.as<nn::LinearImpl>()) {
      with_memory(linear->weight).normal_(0, deviation(entry.key()), generator);
      if (linear->bias.defined()) with_memory(linear->bias).zero_();
    } else if (auto* embedding = module.as<nn::EmbeddingImpl>()) {
      with_memory(embedding->weight).normal_(0, deviation(entry.key()), generator);
    } else {
      draw_own_weights(module, generator);
    }
  }
}

double positive_number(const Config& config, const std::string& key, double fallback) {
  const double value = config.number(key, fallback);
  if (!std::isfinite(value) || value <= 0) config.reject(key, "a number above 0");
  return value;
}

Deviation clip_deviation(const CLIPTextOptions& options, double factor) {
  const auto width = static_cast<double>(options.hidden_size);
  const auto layers = static_cast<double>(options.num_hidden_layers);
  const double of_residuals = factor / std::sqrt(width * 2 * layers);
  return [=](const std::string& name) {
    if (name.ends_with("_embedding")) return factor * 0.02;
    if (name.ends_with(".out_proj") || name == "text_projection") return factor / std::sqrt(width);
    if (name.ends_with(".fc1")) return factor / std::sqrt(2 * width);
    return of_residuals;  // q_proj, k_proj, v_proj, fc2
  };
}

std::shared_ptr<TextEncoder> create_clip(const Config& config, uint64_t seed) {
  auto options = CLIPTextOptions::from_config(config, {});
  const auto architectures = config.strings("architectures", {});
  const std::string projects = "CLIPTextModelWithProjection";
  if (std::find(architectures.begin(), architectures.end(), projects) != architectures.end()) {
    options.projection_dim = positive_integer(config, "projection_dim", 512);
  }
  auto model = std::make_shared<CLIPTextModelImpl>(options);
  const double factor = positive_number(config, "initializer_factor", 1.0);
  draw_text_weights(*model, seed, clip_deviation(options, factor));
  return model;
}

int64_t padding_id(const Config& config, const BertOptions& options) {
  const int64_t id = config.integer("pad_token_id", options.position_padding_id.value_or(0));
  if (id < 0 || id >= options.vocab_size) {
    config.reject("pad_token_id", c10::str("an id from 0 to ", options.vocab_size - 1));
  }
  return id;
}

std::shared_ptr<TextEncoder> create_bert(const Config& config, uint64_t seed,
                                         const std::string& type) {
  auto options = type == "roberta" ? roberta_options(config, {}) : bert_options(config, {});
  options.add_pooling_layer = type != "cxr-bert";
  if (type == "cxr-bert") {
    options.projection_size = positive_integer(config, "projection_size", 128);
  }
  const int64_t padding = padding_id(config, options);
  const double range = positive_number(config, "initializer_range", 0.02);
  auto model = std::make_shared<BertModelImpl>(options);
  draw_text_weights(*model, seed, [range](const std::string&) { return range; });
  model->token_embedding()->weight[padding].zero_();
  if (options.position_padding_id) {
    model->named_parameters()["embeddings.position_embeddings.weight"][padding].zero_();
  }
  return model;
}

void settle(torch::nn::Module& model, at::Device device) {
  model.to(device);
  if (device.is_cuda()) nn::use_channels_last(model);
  model.eval();
}

}  // namespace

void draw_weights(torch::nn::Module& module, const at::Generator& generator) {
  const at::NoGradGuard no_grad;
  for (const auto& part : module.modules()) draw_own_weights(*part, generator);
}

UNet2DConditionModel create_unet(const Config& config, uint64_t seed, at::Device device) {
  UNet2DConditionModel model(UNet2DConditionOptions::from_config(config));
  draw_weights(*model, generator_of(seed));
  settle(*model, device);
  return model;
}

std::shared_ptr<ResNet> create_resnet(const Config& config, uint64_t seed, at::Device device) {
  auto model = std::make_shared<ResNet>(ResNetOptions::from_config(config));
  draw_weights(*model, generator_of(seed));
  settle(*model, device);
  return model;
}

std::shared_ptr<Autoencoder> create_autoencoder(const Config& config, uint64_t seed,
                                                at::Device device) {
  auto model = make_autoencoder(config);
  draw_weights(*model, generator_of(seed));
  settle(*model, device);
  return model;
}

std::shared_ptr<TextEncoder> create_text_encoder(const Config& config, uint64_t seed,
                                                 at::Device device) {
  const at::NoGradGuard no_grad;
  const std::string type = text_encoder_type(config);
  auto model =
      type == "clip_text_model" ? create_clip(config, seed) : create_bert(config, seed, type);
  settle(*model, device);
  return model;
}

}  // namespace latentray
