// Jobs that compute with a model. A model grows while it computes first: it keeps its convolutions'
// weights a second time, reordered for oneDNN (nn/onednn.h). V8 is told when the job has ended.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <utility>

#include "job.h"
#include "model_source.h"
#include "nn/layers.h"

namespace latentray::binding {

// start_job on the model's device.
template <class Compute, class Convert>
Napi::Promise start_model_job(Napi::Env env, const std::shared_ptr<torch::nn::Module>& model,
                              std::shared_ptr<CancelToken> token, Compute compute,
                              Convert convert) {
  using Packed = Environment::PackedWeights;
  const uint64_t seen = Environment::of(env).packed_weights(model.get()).packings;
  auto packed = std::make_shared<std::optional<Packed>>();
  return start_job(
      env, lane_of(*model), std::move(token),
      [model, seen, packed, compute = std::move(compute)]() mutable {
        auto result = compute();
        const uint64_t now = nn::packings();
        if (now != seen) *packed = Packed{nn::packed_bytes(*model), now};
        return result;
      },
      [key = model.get(), packed, convert = std::move(convert)](Napi::Env settle_env, auto result) {
        if (*packed) Environment::of(settle_env).model_packed(settle_env, key, **packed);
        return Napi::Value(convert(settle_env, std::move(result)));
      });
}

}  // namespace latentray::binding
