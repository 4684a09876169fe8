#include "models/text_projection.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "core/dtype.h"
#include "models/positive_integer.h"
#include "models/random_init.h"

namespace latentray {

using at::Tensor;

TextProjectionOptions TextProjectionOptions::from_config(const Config& config) {
  for (const char* key : {"in_features", "out_features"}) {
    if (!config.has(key)) config.reject(key, "a number");
  }
  TextProjectionOptions options;
  options.in_features = positive_integer(config, "in_features", 0);
  options.out_features = positive_integer(config, "out_features", 0);
  if (config.has("hidden_size")) options.hidden_size = positive_integer(config, "hidden_size", 0);
  options.act_fn = nn::activation(config, "act_fn", "gelu_pytorch_tanh");
  return options;
}

TextProjectionImpl::TextProjectionImpl(const TextProjectionOptions& options) : options_(options) {
  const int64_t first_size = options.hidden_size.value_or(options.out_features);
  linear_1_ = register_module("linear_1", nn::Linear(options.in_features, first_size));
  if (options.hidden_size) {
    linear_2_ = register_module("linear_2", nn::Linear(first_size, options.out_features));
  }
}

Tensor TextProjectionImpl::forward(const Tensor& states) {
  LATENTRAY_CHECK(states.dim() >= 2 && states.size(-1) == options_.in_features, "ERR_SHAPE",
                  "text projection: expected [N, L, ", options_.in_features, "], found ",
                  states.sizes());
  LATENTRAY_CHECK(states.scalar_type() == linear_1_->weight.scalar_type(), "ERR_DTYPE",
                  "text projection: expected the weights' dtype ",
                  dtype_name(linear_1_->weight.scalar_type()), ", found ",
                  dtype_name(states.scalar_type()));
  const auto hidden = linear_1_(states);
  return linear_2_ ? linear_2_(options_.act_fn(hidden)) : hidden;  // [N, L, out_features]
}

void TextProjectionImpl::initialize(uint64_t seed) {
  draw_weights(*this, at::make_generator<at::CPUGeneratorImpl>(seed));
}

TextProjection load_text_projection(const Config& config, const StateDict& state,
                                    const LoadOptions& options) {
  TextProjection projection(TextProjectionOptions::from_config(config));
  load_state_dict(*projection, state, options);
  projection->eval();
  return projection;
}

TextProjection create_text_projection(const Config& config, uint64_t seed,
                                      const LoadOptions& options) {
  TextProjection projection(TextProjectionOptions::from_config(config));
  projection->initialize(seed);
  projection->to(options.device, options.dtype.value_or(at::kFloat));
  projection->eval();
  return projection;
}

}  // namespace latentray
