#include "training/trainer_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <charconv>

#include "core/error.h"

namespace latentray {

namespace {

[[noreturn]] void throw_missing(const StateDict& state, const std::string& key) {
  throw Error("ERR_WEIGHTS_MISSING_KEY",
              c10::str(state.origin, ": '", key,
                       "' is missing: the state is of a trainer with other options"),
              {{"key", key}, {"path", state.origin}});
}

}  // namespace

const at::Tensor& tensor_of(const StateDict& state, const std::string& key, at::IntArrayRef sizes) {
  const auto found = state.tensors.find(key);
  if (found == state.tensors.end()) throw_missing(state, key);
  if (found->second.sizes() != sizes) {
    throw Error("ERR_WEIGHTS_SHAPE",
                c10::str(state.origin, ": '", key, "': expected ", sizes, ", found ",
                         found->second.sizes()),
                {{"key", key},
                 {"expectedShape", c10::str(sizes)},
                 {"actualShape", c10::str(found->second.sizes())}});
  }
  return found->second;
}

void copy_state(const StateDict& state, const std::string& key, const at::Tensor& target) {
  const at::NoGradGuard no_grad;
  target.copy_(tensor_of(state, key, target.sizes()));
}

int64_t integer_of(const StateDict& state, const std::string& key) {
  const auto found = state.metadata.find(key);
  if (found == state.metadata.end()) throw_missing(state, key);
  const std::string& text = found->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  LATENTRAY_CHECK(error == std::errc() && end == text.data() + text.size(), "ERR_WEIGHTS_CORRUPT",
                  state.origin, ": '", key, "': expected an integer, found '", text, "'");
  return value;
}

void save_parameters(StateDict& state, const std::string& prefix,
                     const NamedParameters& parameters) {
  for (const auto& [name, parameter] : parameters) {
    state.tensors[prefix + name] = parameter.detach();
  }
}

void load_parameters(const StateDict& state, const std::string& prefix,
                     const NamedParameters& parameters) {
  for (const auto& [name, parameter] : parameters) copy_state(state, prefix + name, parameter);
}

}  // namespace latentray
