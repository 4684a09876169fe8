// The options that every trainer has.
#pragma once

#include <napi.h>

#include <vector>

#include "training/ema.h"
#include "training/optimizer.h"

namespace latentray::binding {

OptimizerOptions optimizer_argument(const Napi::Value& value);
EmaOptions ema_argument(const Napi::Value& value);
// A BigInt.
uint64_t training_seed_argument(const Napi::Value& value);
std::vector<uint64_t> sample_numbers_argument(const Napi::Value& value);

}  // namespace latentray::binding
