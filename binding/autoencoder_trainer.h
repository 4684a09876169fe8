// The handle of a trainer of autoencoders.
#pragma once

#include <napi.h>

#include "trainer_object.h"
#include "training/autoencoder_trainer.h"

namespace latentray::binding {

class AutoencoderTrainerObject
    : public TrainerObject<AutoencoderTrainerObject, AutoencoderTrainer> {
 public:
  static constexpr const char* kName = "AutoencoderTrainer";
  using TrainerObject::TrainerObject;

  static Napi::Function define(Napi::Env env);
  static Models models_of(const AutoencoderTrainer& trainer) { return {trainer.model()}; }
  static Napi::Value update_to_js(Napi::Env env, const AutoencoderUpdate& update);
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value accumulate(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
