#include "weights/state_dict.h"

#include <algorithm>

#include "core/error.h"

namespace latentray {

namespace {

std::string first_keys(const std::vector<std::string>& keys) {
  constexpr size_t kShown = 5;
  std::string list;
  for (size_t i = 0; i < std::min(kShown, keys.size()); ++i) list += (i ? ", " : "") + keys[i];
  if (keys.size() > kShown) list += c10::str(" and ", keys.size() - kShown, " more");
  return list;
}

void check_keys(const torch::OrderedDict<std::string, at::Tensor>& parameters,
                const StateDict& state, const LoadOptions& options) {
  std::vector<std::string> missing;
  for (const auto& parameter : parameters) {
    if (!state.tensors.count(parameter.key())) missing.push_back(parameter.key());
  }
  if (!missing.empty()) {
    throw Error("ERR_WEIGHTS_MISSING_KEY",
                c10::str(state.origin, ": the model needs ", first_keys(missing),
                         ", which the file lacks. Is it the checkpoint of this config?"),
                {{"key", missing.front()}});
  }

  std::vector<std::string> unexpected;
  for (const auto& [key, tensor] : state.tensors) {
    const bool ignored = std::find(options.ignored_keys.begin(), options.ignored_keys.end(), key) !=
                         options.ignored_keys.end();
    if (!ignored && !parameters.contains(key)) unexpected.push_back(key);
  }
  if (!unexpected.empty()) {
    throw Error("ERR_WEIGHTS_UNEXPECTED_KEY",
                c10::str(state.origin, ": the model of this config has no ", first_keys(unexpected),
                         ". Is it the checkpoint of this config?"),
                {{"key", unexpected.front()}});
  }
}

void check_shapes(const torch::OrderedDict<std::string, at::Tensor>& parameters,
                  const StateDict& state) {
  for (const auto& parameter : parameters) {
    const auto expected = parameter.value().sizes();
    const auto found = state.tensors.at(parameter.key()).sizes();
    if (expected == found) continue;
    throw Error("ERR_WEIGHTS_SHAPE",
                c10::str(state.origin, ": ", parameter.key(), ": expected shape ", expected,
                         ", found ", found),
                {{"key", parameter.key()},
                 {"expectedShape", c10::str(expected)},
                 {"actualShape", c10::str(found)}});
  }
}

}  // namespace

void load_state_dict(torch::nn::Module& module, const StateDict& state,
                     const LoadOptions& options) {
  auto parameters = module.named_parameters();
  check_keys(parameters, state, options);
  check_shapes(parameters, state);

  for (auto& parameter : parameters) {
    const at::Tensor& source = state.tensors.at(parameter.key());
    const bool cast = options.dtype && source.is_floating_point();
    parameter.value().set_data(
        source.to(options.device, cast ? *options.dtype : source.scalar_type()));
  }
}

void cast_floating(StateDict& state, at::ScalarType dtype) {
  for (auto& [name, tensor] : state.tensors) {
    if (tensor.is_floating_point()) tensor = tensor.to(dtype);
  }
}

StateDict state_of(const torch::nn::Module& module) {
  StateDict state;
  for (const auto& parameter : module.named_parameters()) {
    state.tensors[parameter.key()] = parameter.value().detach();
  }
  return state;
}

}  // namespace latentray
