// The handle of a trainer of denoisers.
#pragma once

#include <napi.h>

#include "trainer_object.h"
#include "training/denoiser_trainer.h"

namespace latentray::binding {

class DenoiserTrainerObject : public TrainerObject<DenoiserTrainerObject, DenoiserTrainer> {
 public:
  static constexpr const char* kName = "DenoiserTrainer";
  using TrainerObject::TrainerObject;

  static Napi::Function define(Napi::Env env);
  static Models models_of(const DenoiserTrainer& trainer) { return {trainer.models().unet.ptr()}; }
  static Napi::Value update_to_js(Napi::Env env, const ParameterUpdate& update);
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value accumulate(const Napi::CallbackInfo& info);
  Napi::Value learned_tokens(const Napi::CallbackInfo& info);
  Napi::Value save_lora(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
