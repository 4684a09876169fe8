// The scheduler's handle, for loops that a user writes.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

#include "diffusion/scheduler.h"
#include "object.h"

namespace latentray::binding {

// Steps run on an executor while JavaScript may choose new timesteps.
struct SharedScheduler {
  std::mutex mutex;
  std::unique_ptr<Scheduler> scheduler;
};

// A choice of timesteps, to be made on any thread: a number of steps, { timesteps } or { sigmas }.
std::function<void(Scheduler&)> steps_argument(const Napi::Value& value);

class SchedulerObject : public Object<SchedulerObject, std::shared_ptr<SharedScheduler>> {
 public:
  static constexpr const char* kName = "Scheduler";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<SharedScheduler>&) { return 0; }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value timesteps(const Napi::CallbackInfo& info);
  Napi::Value sigmas(const Napi::CallbackInfo& info);
  Napi::Value init_noise_sigma(const Napi::CallbackInfo& info);
  Napi::Value order(const Napi::CallbackInfo& info);
  Napi::Value config(const Napi::CallbackInfo& info);
  void set_timesteps(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
