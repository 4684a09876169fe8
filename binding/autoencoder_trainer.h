// The handle of a trainer of autoencoders.
#pragma once

#include <napi.h>

#include <memory>

#include "object.h"
#include "training/autoencoder_trainer.h"

namespace latentray::binding {

class AutoencoderTrainerObject
    : public Object<AutoencoderTrainerObject, std::shared_ptr<AutoencoderTrainer>> {
 public:
  static constexpr const char* kName = "AutoencoderTrainer";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<AutoencoderTrainer>&) { return 0; }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value accumulate(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value use_average(const Napi::CallbackInfo& info);
  Napi::Value save_state(const Napi::CallbackInfo& info);
  Napi::Value load_state(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
