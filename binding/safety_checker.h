// The safety checker's handle.
#pragma once

#include <napi.h>

#include "models/safety_checker.h"
#include "object.h"

namespace latentray::binding {

class SafetyCheckerObject : public Object<SafetyCheckerObject, StableDiffusionSafetyChecker> {
 public:
  static constexpr const char* kName = "SafetyChecker";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const StableDiffusionSafetyChecker& model);
  static const torch::nn::Module* grower_of(const StableDiffusionSafetyChecker& model) {
    return model.get();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
