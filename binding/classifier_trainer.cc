#include "classifier_trainer.h"

#include "feature_network.h"
#include "members.h"
#include "trainer_options.h"

namespace latentray::binding {

namespace {

// { rotation, translation, zoom }
AugmentationOptions augmentation_argument(const Members& members) {
  return {members.number("rotation"), members.number("translation"), members.number("zoom")};
}

ClassifierTrainerOptions classifier_options_argument(const Members& members) {
  ClassifierTrainerOptions options;
  options.training = training_argument(members);
  if (members.has("posWeight")) {
    options.pos_weight = numbers_argument(members.get("posWeight"), "posWeight");
  }
  options.augmentation = augmentation_argument(Members(members.get("augmentation")));
  options.seed = training_seed_argument(members.get("seed"));
  return options;
}

// createClassifierTrainer(network, options, token)
Napi::Value create_classifier_trainer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto network = FeatureNetworkObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {network}, cancel_token_argument(info[2]),
        [network, options = classifier_options_argument(Members(info[1]))] {
          return std::make_shared<ClassifierTrainer>(network, options);
        },
        [](Napi::Env env, std::shared_ptr<ClassifierTrainer> trainer) {
          return ClassifierTrainerObject::create(env, std::move(trainer));
        });
  });
}

// { pixels, labels, sampleNumbers }
LabelledBatch labelled_batch_argument(const Napi::Value& value) {
  const Members members(value);
  return {tensor_argument(members.get("pixels")), tensor_argument(members.get("labels")),
          sample_numbers_argument(members.get("sampleNumbers"))};
}

}  // namespace

Napi::Value ClassifierTrainerObject::update_to_js(Napi::Env env, const ParameterUpdate& update) {
  auto result = Napi::Object::New(env);
  result.Set("gradientNorm", update.gradient_norm);
  result.Set("skipped", update.skipped);
  return result;
}

Napi::Function ClassifierTrainerObject::define(Napi::Env env) {
  using Self = ClassifierTrainerObject;
  return DefineClass(
      env, kName,
      {InstanceMethod<&Self::accumulate>("accumulate"), InstanceMethod("update", &Self::update),
       InstanceAccessor("disposed", &Self::disposed, nullptr),
       InstanceMethod("dispose", &Self::dispose)});
}

void ClassifierTrainerObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createClassifierTrainer", Napi::Function::New<create_classifier_trainer>(env));
}

// accumulate(batch, { step, microSteps }, token)
Napi::Value ClassifierTrainerObject::accumulate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Members position(info[1]);
    return start_trainer_job(
        info, 2,
        [trainer = payload(), batch = labelled_batch_argument(info[0]),
         step = position.integer("step"), micro_steps = position.integer("microSteps")] {
          return trainer->accumulate(batch, step, micro_steps);
        },
        [](Napi::Env env, const ClassifierLosses& losses) {
          auto result = Napi::Object::New(env);
          result.Set("loss", losses.total);
          result.Set("losses", to_js(env, losses.per_sample));
          return result;
        });
  });
}

}  // namespace latentray::binding
