#include "scheduler.h"

#include "arguments.h"
#include "diffusion/scheduler_registry.h"
#include "job.h"
#include "noise_source.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

// createScheduler(name, baseConfigText, overridesText)
Napi::Value create_scheduler(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto base = Config::parse(string_argument(info[1], "config"), "scheduler");
    const auto overrides = Config::parse(string_argument(info[2], "overrides"), "scheduler");
    auto shared = std::make_shared<SharedScheduler>();
    shared->scheduler = Scheduler::create(
        switch_scheduler(base.json(), string_argument(info[0], "name"), overrides.json()));
    return SchedulerObject::create(info.Env(), std::move(shared));
  });
}

// A job on the lane of `tensor` that has the scheduler to itself.
template <class Compute>
Napi::Value scheduler_job(const Napi::CallbackInfo& info, const at::Tensor& tensor,
                          const Napi::Value& token, Compute compute) {
  const auto shared = SchedulerObject::payload_of(info[0]);
  return start_job(
      info.Env(), tensor.device().str(), cancel_token_argument(token),
      [shared, compute = std::move(compute)] {
        const std::lock_guard lock(shared->mutex);
        return compute(*shared->scheduler);
      },
      tensor_to_js);
}

// schedulerScaleModelInput(scheduler, sample, index, token)
Napi::Value scale_model_input(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto sample = tensor_argument(info[1]);
    const auto index = static_cast<size_t>(number_argument(info[2], "index"));
    return scheduler_job(info, sample, info[3], [sample, index](Scheduler& scheduler) {
      return scheduler.scale_model_input(sample, index);
    });
  });
}

// schedulerStep(scheduler, modelOutput, index, sample, eta, noiseSource | null, token)
Napi::Value step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto output = tensor_argument(info[1]);
    const auto index = static_cast<size_t>(number_argument(info[2], "index"));
    const auto sample = tensor_argument(info[3]);
    const double eta = number_argument(info[4], "eta");
    std::shared_ptr<NoiseSource> noise;
    if (!is_absent(info[5])) noise = NoiseSourceObject::payload_of(info[5]);
    return scheduler_job(info, sample, info[6],
                         [output, index, sample, eta, noise](Scheduler& scheduler) {
                           return scheduler.step(output, index, sample, {eta, noise.get()});
                         });
  });
}

// schedulerAddNoise(scheduler, original, noise, timesteps: number[], token)
Napi::Value add_noise(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto original = tensor_argument(info[1]);
    const auto noise = tensor_argument(info[2]);
    const auto timesteps = numbers_argument(info[3], "timesteps");
    return scheduler_job(info, original, info[4],
                         [original, noise, timesteps](Scheduler& scheduler) {
                           return scheduler.add_noise(original, noise, timesteps);
                         });
  });
}

// schedulerVelocity(scheduler, sample, noise, timesteps: number[], token)
Napi::Value velocity(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto sample = tensor_argument(info[1]);
    const auto noise = tensor_argument(info[2]);
    const auto timesteps = numbers_argument(info[3], "timesteps");
    return scheduler_job(info, sample, info[4], [sample, noise, timesteps](Scheduler& scheduler) {
      return scheduler.velocity(sample, noise, timesteps);
    });
  });
}

}  // namespace

std::function<void(Scheduler&)> steps_argument(const Napi::Value& value) {
  if (value.IsNumber()) {
    return [steps = static_cast<int64_t>(number_argument(value, "steps"))](Scheduler& scheduler) {
      scheduler.set_timesteps(steps);
    };
  }
  const auto custom = value.As<Napi::Object>();
  if (custom.Has("timesteps")) {
    return [timesteps = numbers_argument(custom.Get("timesteps"), "timesteps")](
               Scheduler& scheduler) { scheduler.set_timesteps(timesteps); };
  }
  return [sigmas = numbers_argument(custom.Get("sigmas"), "sigmas")](Scheduler& scheduler) {
    scheduler.set_sigmas(sigmas);
  };
}

Napi::Function SchedulerObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&SchedulerObject::timesteps>("timesteps"),
                      InstanceAccessor<&SchedulerObject::sigmas>("sigmas"),
                      InstanceAccessor<&SchedulerObject::init_noise_sigma>("initNoiseSigma"),
                      InstanceAccessor<&SchedulerObject::order>("order"),
                      InstanceAccessor<&SchedulerObject::config>("config"),
                      InstanceAccessor("disposed", &SchedulerObject::disposed, nullptr),
                      InstanceMethod<&SchedulerObject::set_timesteps>("setTimesteps"),
                      InstanceMethod("dispose", &SchedulerObject::dispose)});
}

void SchedulerObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createScheduler", Napi::Function::New<create_scheduler>(env));
  exports.Set("schedulerScaleModelInput", Napi::Function::New<scale_model_input>(env));
  exports.Set("schedulerStep", Napi::Function::New<step>(env));
  exports.Set("schedulerAddNoise", Napi::Function::New<add_noise>(env));
  exports.Set("schedulerVelocity", Napi::Function::New<velocity>(env));
}

Napi::Value SchedulerObject::timesteps(const Napi::CallbackInfo& info) {
  const std::lock_guard lock(payload()->mutex);
  return to_js(info.Env(), payload()->scheduler->timesteps());
}

Napi::Value SchedulerObject::sigmas(const Napi::CallbackInfo& info) {
  const std::lock_guard lock(payload()->mutex);
  return to_js(info.Env(), payload()->scheduler->sigmas());
}

Napi::Value SchedulerObject::init_noise_sigma(const Napi::CallbackInfo& info) {
  const std::lock_guard lock(payload()->mutex);
  return Napi::Number::New(info.Env(), payload()->scheduler->init_noise_sigma());
}

Napi::Value SchedulerObject::order(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->scheduler->order()));
}

// The configuration as JSON text, non-finite numbers as Python's json writes them.
Napi::Value SchedulerObject::config(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), python_json(payload()->scheduler->config()));
}

// setTimesteps(steps)
void SchedulerObject::set_timesteps(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto choose = steps_argument(info[0]);
    const std::lock_guard lock(payload()->mutex);
    choose(*payload()->scheduler);
  });
}

}  // namespace latentray::binding
