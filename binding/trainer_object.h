// What the handles of trainers have in common: everything but what a batch is.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "model_job.h"
#include "object.h"
#include "tensor.h"
#include "training/named_parameters.h"
#include "weights/safetensors.h"

namespace latentray::binding {

// Derived supplies what Object asks for but bytes_of, models_of(trainer): the models that it
// computes with, the one that says where first; and update_to_js(env, update).
template <class Derived, class Trainer>
class TrainerObject : public Object<Derived, std::shared_ptr<Trainer>> {
 public:
  using Base = Object<Derived, std::shared_ptr<Trainer>>;
  using Base::Base;

  static int64_t bytes_of(const std::shared_ptr<Trainer>&) { return 0; }

  // A trainer changes its models when it ends, which must not meet what they compute meanwhile.
  static void retire(Napi::Env env, std::shared_ptr<Trainer> trainer) {
    Environment& environment = Environment::of(env);
    if (environment.is_shut_down()) return;
    auto& executor = environment.executor(lane_of(*Derived::models_of(*trainer).front()));
    executor.submit({std::make_shared<CancelToken>(),
                     [trainer = std::move(trainer)]() mutable { trainer.reset(); }});
  }

 protected:
  static std::vector<typename Base::PropertyDescriptor> common_methods() {
    return {Base::InstanceMethod("update", &Derived::update),
            Base::InstanceMethod("gradients", &Derived::gradients),
            Base::InstanceMethod("useAverage", &Derived::use_average),
            Base::InstanceMethod("saveState", &Derived::save_state),
            Base::InstanceMethod("loadState", &Derived::load_state),
            Base::InstanceAccessor("disposed", &Derived::disposed, nullptr),
            Base::InstanceMethod("dispose", &Derived::dispose)};
  }

  // Jobs of one trainer run in line with everything else that its models do. `token` is the
  // argument's place.
  template <class Compute, class Convert>
  Napi::Value start_trainer_job(const Napi::CallbackInfo& info, size_t token, Compute compute,
                                Convert convert) {
    return start_model_job(info.Env(), Derived::models_of(*this->payload()),
                           cancel_token_argument(info[token]), std::move(compute),
                           std::move(convert));
  }

  // The same for what has no result.
  template <class Change>
  Napi::Value start_change(const Napi::CallbackInfo& info, size_t token, Change change) {
    return start_trainer_job(
        info, token,
        [change = std::move(change)] {
          change();
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  }

  // update(learningRate, token)
  Napi::Value update(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return start_trainer_job(
          info, 1,
          [trainer = this->payload(), rate = number_argument(info[0], "learningRate")] {
            return trainer->update(rate);
          },
          &Derived::update_to_js);
    });
  }

  // gradients(token) → copies of the step's gradients so far, by parameter
  Napi::Value gradients(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return start_trainer_job(
          info, 0, [trainer = this->payload()] { return copy_gradients(trainer->parameters()); },
          [](Napi::Env env, const NamedParameters& gradients) {
            auto result = Napi::Object::New(env);
            for (const auto& [name, gradient] : gradients) {
              result.Set(name, TensorObject::create(env, gradient));
            }
            return result;
          });
    });
  }

  // useAverage(whether, token)
  Napi::Value use_average(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return start_change(info, 1,
                          [trainer = this->payload(), average = info[0].ToBoolean().Value()] {
                            trainer->use_average(average);
                          });
    });
  }

  // saveState(path, token)
  Napi::Value save_state(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return start_change(info, 1,
                          [trainer = this->payload(), path = string_argument(info[0], "path")] {
                            write_safetensors(path, trainer->state());
                          });
    });
  }

  // loadState(path, token)
  Napi::Value load_state(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return start_change(info, 1,
                          [trainer = this->payload(), path = string_argument(info[0], "path")] {
                            trainer->load_state(read_safetensors(path));
                          });
    });
  }
};

}  // namespace latentray::binding
