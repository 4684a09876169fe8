// The handle of a U-Net with a run's conditions.
#pragma once

#include <napi.h>

#include <memory>

#include "diffusion/noise_predictor.h"
#include "model_job.h"
#include "object.h"

namespace latentray::binding {

struct SharedPredictor {
  std::shared_ptr<NoisePredictor> predictor;
  Models models;  // the U-Net, then the ControlNets
};

class NoisePredictorObject : public Object<NoisePredictorObject, SharedPredictor> {
 public:
  static constexpr const char* kName = "NoisePredictor";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const SharedPredictor&) { return 0; }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value predict(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
