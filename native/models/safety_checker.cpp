#include "models/safety_checker.h"

#include <ATen/ATen.h>

#include "models/positive_integer.h"
#include "nn/placeholder.h"

namespace latentray {

using at::Tensor;

namespace {

// What an image of special care adds to every score.
constexpr double kStricter = 0.01;

int64_t rows_of(const StateDict& state, const std::string& key, int64_t fallback) {
  const auto found = state.tensors.find(key);
  return found != state.tensors.end() && found->second.dim() > 0 ? found->second.size(0) : fallback;
}

// a [N, D], b [M, D] → [N, M], float32
Tensor cosines(const Tensor& a, const Tensor& b) {
  const auto unit = [](const Tensor& x) { return x / x.norm(2, {1}, true).clamp_min(1e-12); };
  return at::mm(unit(a), unit(b).t()).to(at::kFloat);
}

Tensor rounded_to_three_digits(const Tensor& scores) { return at::round(scores * 1000) / 1000; }

// Files of before transformers 5 name the image transformer's parameters twice over, and hold a
// buffer of position numbers.
StateDict safety_checker_keys(StateDict state) {
  const std::string twice = "vision_model.vision_model.";
  std::map<std::string, Tensor> tensors;
  for (auto& [key, tensor] : state.tensors) {
    tensors[key.starts_with(twice) ? key.substr(twice.find('.') + 1) : key] = std::move(tensor);
  }
  tensors.erase("vision_model.embeddings.position_ids");
  state.tensors = std::move(tensors);
  return state;
}

Config vision_config(const Config& config) {
  const auto found = config.json().find("vision_config");
  if (found == config.json().end() || !found->is_object()) {
    config.reject("vision_config", "an object");
  }
  return Config::parse(found->dump(), config.origin() + ": vision_config");
}

}  // namespace

SafetyCheckerOptions SafetyCheckerOptions::from_config(const Config& config,
                                                       const StateDict& state) {
  SafetyCheckerOptions options;
  options.vision = CLIPVisionOptions::from_config(vision_config(config));
  options.projection_dim = positive_integer(config, "projection_dim", 512);
  options.concepts = rows_of(state, "concept_embeds", 17);
  options.special_care_concepts = rows_of(state, "special_care_embeds", 3);
  return options;
}

StableDiffusionSafetyCheckerImpl::StableDiffusionSafetyCheckerImpl(
    const SafetyCheckerOptions& options)
    : vision_model_(register_module("vision_model", CLIPVisionModel(options.vision))),
      visual_projection_(register_module(
          "visual_projection",
          nn::Linear(options.vision.encoder.hidden_size, options.projection_dim, /*bias=*/false))) {
  const auto parameter = [this](const char* name, at::IntArrayRef shape) {
    return register_parameter(name, nn::placeholder(shape), false);
  };
  const int64_t width = options.projection_dim;
  concept_embeds_ = parameter("concept_embeds", {options.concepts, width});
  concept_embeds_weights_ = parameter("concept_embeds_weights", {options.concepts});
  special_care_embeds_ = parameter("special_care_embeds", {options.special_care_concepts, width});
  special_care_embeds_weights_ =
      parameter("special_care_embeds_weights", {options.special_care_concepts});
}

Tensor StableDiffusionSafetyCheckerImpl::forward(const Tensor& pixels) {
  const auto seen = visual_projection_(vision_model_(pixels.to(concept_embeds_.options())));
  const auto special = cosines(seen, special_care_embeds_) -
                       special_care_embeds_weights_.to(at::kFloat);  // [N, special]
  const auto care = rounded_to_three_digits(special).gt(0).any(1, /*keepdim=*/true);  // [N, 1]
  const auto scores = cosines(seen, concept_embeds_) - concept_embeds_weights_.to(at::kFloat) +
                      care.to(at::kFloat) * kStricter;  // [N, concepts]
  return rounded_to_three_digits(scores);
}

StableDiffusionSafetyChecker load_safety_checker(const Config& config, StateDict state,
                                                 const LoadOptions& options) {
  state = safety_checker_keys(std::move(state));
  StableDiffusionSafetyChecker model(SafetyCheckerOptions::from_config(config, state));
  load_state_dict(*model, state, options);
  model->eval();
  return model;
}

}  // namespace latentray
