// The handle of a process group.
#pragma once

#include <napi.h>

#include <memory>

#include "object.h"
#include "training/process_group.h"

namespace latentray::binding {

class ProcessGroupObject : public Object<ProcessGroupObject, std::shared_ptr<ProcessGroup>> {
 public:
  static constexpr const char* kName = "ProcessGroup";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<ProcessGroup>&) { return 0; }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value rank(const Napi::CallbackInfo& info);
  Napi::Value world_size(const Napi::CallbackInfo& info);
  Napi::Value barrier(const Napi::CallbackInfo& info);
  Napi::Value sum(const Napi::CallbackInfo& info);
  Napi::Value fail(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
