// The tensor handle. Memory crosses the border without a copy on the CPU, both ways.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <vector>

#include "object.h"

namespace latentray::binding {

class TensorObject : public Object<TensorObject, at::Tensor> {
 public:
  static constexpr const char* kName = "Tensor";
  static constexpr int kCounted = 1;
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const at::Tensor& tensor);
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value byte_length(const Napi::CallbackInfo& info);
  // The memory as an ArrayBuffer: the tensor's own where it is dense and aligned on the CPU.
  Napi::Value buffer(const Napi::CallbackInfo& info);
};

// What a job that computes a tensor settles with.
Napi::Value tensor_to_js(Napi::Env env, at::Tensor tensor);

at::Tensor tensor_argument(const Napi::Value& value);
std::optional<at::Tensor> optional_tensor_argument(const Napi::Value& value);
std::vector<at::Tensor> tensors_argument(const Napi::Value& value, const char* name);

}  // namespace latentray::binding
