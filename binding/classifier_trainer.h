// The handle of what trains classifiers.
#pragma once

#include "trainer_object.h"
#include "training/classifier_trainer.h"

namespace latentray::binding {

class ClassifierTrainerObject
    : public Object<ClassifierTrainerObject, std::shared_ptr<ClassifierTrainer>> {
 public:
  static constexpr const char* kName = "ClassifierTrainer";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<ClassifierTrainer>&) { return 0; }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value accumulate(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
