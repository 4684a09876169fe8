// The U-Net's handle.
#pragma once

#include <napi.h>

#include "models/unet.h"
#include "object.h"

namespace latentray::binding {

class UNetObject : public Object<UNetObject, UNet2DConditionModel> {
 public:
  static constexpr const char* kName = "UNet";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const UNet2DConditionModel& model);
  static const torch::nn::Module* grower_of(const UNet2DConditionModel& model) {
    return model.get();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value options(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
