// The ControlNet's handle.
#pragma once

#include <napi.h>

#include "models/controlnet.h"
#include "object.h"

namespace latentray::binding {

class ControlNetObject : public Object<ControlNetObject, ControlNetModel> {
 public:
  static constexpr const char* kName = "ControlNet";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const ControlNetModel& model);
  static const torch::nn::Module* grower_of(const ControlNetModel& model) { return model.get(); }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value options(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
