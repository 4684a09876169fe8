#include "devices.h"

#include "arguments.h"
#include "core/build_info.h"
#include "core/device.h"
#include "environment.h"
#include "errors.h"

namespace latentray::binding {

namespace {

Napi::Value version(const Napi::CallbackInfo& info) {
  const BuildInfo build = build_info();
  auto result = Napi::Object::New(info.Env());
  result.Set("libtorch", build.libtorch);
  result.Set("cuda", build.cuda);
  result.Set("cpuCapability", build.cpu_capability);
  return result;
}

Napi::Value list_devices(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto found = devices();
    auto result = Napi::Array::New(info.Env(), found.size());
    for (uint32_t i = 0; i < found.size(); ++i) {
      auto device = Napi::Object::New(info.Env());
      device.Set("name", found[i].name);
      device.Set("type", found[i].type);
      result.Set(i, device);
    }
    return result;
  });
}

// totalMemory(device): bytes, 0 where that cannot be found out
Napi::Value total_memory_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto device = parse_device(string_argument(info[0], "device"));
    return Napi::Number::New(info.Env(), static_cast<double>(total_memory(device)));
  });
}

// checkDevice(name): throws ERR_DEVICE_UNAVAILABLE
void check_device(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { return parse_device(string_argument(info[0], "device")); });
}

void set_threads(const Napi::CallbackInfo& info) {
  set_intra_op_threads(static_cast<int>(number_argument(info[0], "threads")));
}

Napi::Value get_threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), intra_op_threads());
}

Napi::Value native_memory(const Napi::CallbackInfo& info) {
  const Environment& environment = Environment::of(info.Env());
  auto result = Napi::Object::New(info.Env());
  result.Set("tensors", static_cast<double>(environment.live_tensors()));
  result.Set("bytes", static_cast<double>(environment.live_bytes()));
  return result;
}

Napi::Value executor_statistics(const Napi::CallbackInfo& info) {
  const ExecutorStatistics statistics = Environment::of(info.Env()).statistics();
  auto result = Napi::Object::New(info.Env());
  result.Set("jobs", static_cast<double>(statistics.jobs));
  result.Set("busyMs", statistics.busy_ms);
  result.Set("waiting", static_cast<double>(statistics.waiting));
  return result;
}

}  // namespace

void export_devices(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::Function::New<version>(env));
  exports.Set("devices", Napi::Function::New<list_devices>(env));
  exports.Set("totalMemory", Napi::Function::New<total_memory_of>(env));
  exports.Set("checkDevice", Napi::Function::New<check_device>(env));
  exports.Set("setThreads", Napi::Function::New<set_threads>(env));
  exports.Set("getThreads", Napi::Function::New<get_threads>(env));
  exports.Set("executorStatistics", Napi::Function::New<executor_statistics>(env));
  exports.Set("nativeMemory", Napi::Function::New<native_memory>(env));
}

}  // namespace latentray::binding
