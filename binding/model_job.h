// Jobs that compute with a model. A model grows while it computes first: it keeps its convolutions'
// weights a second time, reordered for oneDNN (nn/onednn.h). V8 is told when the job has ended.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "job.h"
#include "model_source.h"
#include "nn/layers.h"

namespace latentray::binding {

using Models = std::vector<std::shared_ptr<torch::nn::Module>>;

// What a job measures of the models that it computes with.
class PackedWeightsOfModels {
 public:
  // On the JavaScript thread.
  PackedWeightsOfModels(Napi::Env env, Models models) : models_(std::move(models)) {
    for (const auto& model : models_) {
      measured_.push_back(Environment::of(env).growth(model.get()));
    }
  }

  // On the executor, after computing.
  void measure() {
    const uint64_t now = nn::packings();
    for (size_t i = 0; i < models_.size(); ++i) {
      if (measured_[i].packings != now) measured_[i] = {nn::packed_bytes(*models_[i]), now};
    }
  }

  // On the JavaScript thread.
  void tell(Napi::Env env) const {
    for (size_t i = 0; i < models_.size(); ++i) {
      Environment::of(env).grew(env, models_[i].get(), measured_[i]);
    }
  }

 private:
  Models models_;
  std::vector<Environment::Growth> measured_;
};

// start_job on the device of the first model, with all of those that may compute.
template <class Compute, class Convert>
Napi::Promise start_model_job(Napi::Env env, const Models& models,
                              std::shared_ptr<CancelToken> token, Compute compute,
                              Convert convert) {
  auto packed = std::make_shared<PackedWeightsOfModels>(env, models);
  return start_job(
      env, lane_of(*models.front()), std::move(token),
      [packed, compute = std::move(compute)]() mutable {
        auto result = compute();
        packed->measure();
        return result;
      },
      [packed, convert = std::move(convert)](Napi::Env settle_env, auto result) {
        packed->tell(settle_env);
        return Napi::Value(convert(settle_env, std::move(result)));
      });
}

}  // namespace latentray::binding
