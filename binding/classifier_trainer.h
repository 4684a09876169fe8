// The handle of what trains classifiers.
#pragma once

#include <napi.h>

#include "trainer_object.h"
#include "training/classifier_trainer.h"

namespace latentray::binding {

class ClassifierTrainerObject : public TrainerObject<ClassifierTrainerObject, ClassifierTrainer> {
 public:
  static constexpr const char* kName = "ClassifierTrainer";
  using TrainerObject::TrainerObject;

  static Napi::Function define(Napi::Env env);
  static Models models_of(const ClassifierTrainer& trainer) { return {trainer.network()}; }
  static Napi::Value update_to_js(Napi::Env env, const ParameterUpdate& update);
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value accumulate(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
