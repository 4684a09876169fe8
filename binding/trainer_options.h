// The options that every trainer has.
#pragma once

#include <napi.h>

#include <vector>

#include "members.h"
#include "training/parameter_trainer.h"

namespace latentray::binding {

OptimizerOptions optimizer_argument(const Napi::Value& value);
EmaOptions ema_argument(const Napi::Value& value);
// { optimizer, maxGradNorm | null, ema | null, precision, processGroup | null }
ParameterTrainerOptions training_argument(const Members& members);
// A BigInt.
uint64_t training_seed_argument(const Napi::Value& value);
std::vector<uint64_t> sample_numbers_argument(const Napi::Value& value);

}  // namespace latentray::binding
