#include "trainer_options.h"

#include "core/dtype.h"
#include "process_group.h"

namespace latentray::binding {

OptimizerOptions optimizer_argument(const Napi::Value& value) {
  const Members members(value);
  OptimizerOptions options;
  options.name = members.text("name");
  const auto betas = numbers_argument(members.get("betas"), "betas");
  options.beta1 = betas.at(0);
  options.beta2 = betas.at(1);
  options.eps = members.number("eps");
  options.weight_decay = members.number("weightDecay");
  options.momentum = members.number("momentum");
  return options;
}

EmaOptions ema_argument(const Napi::Value& value) {
  const Members members(value);
  EmaOptions options;
  options.decay = members.number("decay");
  if (members.has("invGamma")) options.inv_gamma = members.number("invGamma");
  if (members.has("power")) options.power = members.number("power");
  return options;
}

ParameterTrainerOptions training_argument(const Members& members) {
  ParameterTrainerOptions options;
  options.optimizer = optimizer_argument(members.get("optimizer"));
  if (members.has("maxGradNorm")) options.max_grad_norm = members.number("maxGradNorm");
  if (members.has("ema")) options.ema = ema_argument(members.get("ema"));
  options.precision = parse_dtype(members.text("precision"));
  if (members.has("processGroup")) {
    options.group = ProcessGroupObject::payload_of(members.get("processGroup"));
  }
  return options;
}

uint64_t training_seed_argument(const Napi::Value& value) {
  bool lossless = true;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

std::vector<uint64_t> sample_numbers_argument(const Napi::Value& value) {
  const auto numbers = numbers_argument(value, "sampleNumbers");
  return {numbers.begin(), numbers.end()};
}

}  // namespace latentray::binding
