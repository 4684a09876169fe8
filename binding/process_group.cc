#include "process_group.h"

#include <ATen/ops/tensor.h>

#include "arguments.h"
#include "core/device.h"
#include "job.h"

namespace latentray::binding {

namespace {

// Waiting for other processes holds up neither files nor a device.
constexpr const char* kLane = "process group";

ProcessGroupOptions options_argument(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto number = [&](const char* name) { return number_argument(object.Get(name), name); };
  ProcessGroupOptions options;
  options.rank = static_cast<int>(number("rank"));
  options.world_size = static_cast<int>(number("worldSize"));
  options.master_addr = string_argument(object.Get("masterAddr"), "masterAddr");
  options.master_port = static_cast<uint16_t>(number("masterPort"));
  options.hosts_store = object.Get("hostsStore").ToBoolean();
  options.prefix = string_argument(object.Get("prefix"), "prefix");
  options.backend = string_argument(object.Get("backend"), "backend");
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(number("timeoutMs")));
  if (options.backend == "nccl") {
    options.device = parse_device("cuda:" + std::to_string(static_cast<int>(number("localRank"))));
  }
  return options;
}

// createProcessGroup(options, token)
Napi::Value create_process_group(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[1]),
        [options = options_argument(info[0])] { return std::make_shared<ProcessGroup>(options); },
        [](Napi::Env env, std::shared_ptr<ProcessGroup> group) {
          return ProcessGroupObject::create(env, std::move(group));
        });
  });
}

Napi::Value undefined(Napi::Env env, bool) { return env.Undefined(); }

}  // namespace

Napi::Function ProcessGroupObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&ProcessGroupObject::rank>("rank"),
                      InstanceAccessor<&ProcessGroupObject::world_size>("worldSize"),
                      InstanceAccessor("disposed", &ProcessGroupObject::disposed, nullptr),
                      InstanceMethod<&ProcessGroupObject::barrier>("barrier"),
                      InstanceMethod<&ProcessGroupObject::sum>("sum"),
                      InstanceMethod<&ProcessGroupObject::fail>("fail"),
                      InstanceMethod("dispose", &ProcessGroupObject::dispose)});
}

void ProcessGroupObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createProcessGroup", Napi::Function::New<create_process_group>(env));
}

Napi::Value ProcessGroupObject::rank(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), payload()->rank());
}

Napi::Value ProcessGroupObject::world_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), payload()->world_size());
}

// barrier(token)
Napi::Value ProcessGroupObject::barrier(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[0]),
        [group = payload()] {
          group->barrier();
          return true;
        },
        undefined);
  });
}

// sum(numbers, token) → numbers
Napi::Value ProcessGroupObject::sum(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[1]),
        [group = payload(), numbers = numbers_argument(info[0], "numbers")] {
          const auto total = at::tensor(numbers, at::kDouble).to(group->device());
          group->reduce(total);
          const auto result = total.cpu();
          const double* first = result.const_data_ptr<double>();
          return std::vector<double>(first, first + result.numel());
        },
        [](Napi::Env env, std::vector<double> numbers) { return to_js(env, numbers); });
  });
}

// fail(reason, token)
Napi::Value ProcessGroupObject::fail(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), kLane, cancel_token_argument(info[1]),
        [group = payload(), reason = string_argument(info[0], "reason")] {
          group->fail(reason);
          return true;
        },
        undefined);
  });
}

}  // namespace latentray::binding
