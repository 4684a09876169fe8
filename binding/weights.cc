#include "weights.h"

#include "arguments.h"
#include "core/device.h"
#include "core/dtype.h"
#include "job.h"
#include "tensor.h"
#include "weights/safetensors.h"

namespace latentray::binding {

namespace {

Napi::Object state_to_js(Napi::Env env, const StateDict& state) {
  auto tensors = Napi::Object::New(env);
  for (const auto& [name, tensor] : state.tensors) {
    tensors.Set(name, TensorObject::create(env, tensor));
  }
  auto metadata = Napi::Object::New(env);
  for (const auto& [key, value] : state.metadata) metadata.Set(key, value);
  auto result = Napi::Object::New(env);
  result.Set("tensors", tensors);
  result.Set("metadata", metadata);
  return result;
}

// loadTensors(paths, dtype | null, device, token)
Napi::Value load_tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::optional<at::ScalarType> dtype;
    if (!is_absent(info[1])) dtype = parse_dtype(string_argument(info[1], "dtype"));
    return start_job(
        info.Env(), "io", cancel_token_argument(info[3]),
        [paths = strings_argument(info[0], "paths"), dtype,
         device = parse_device(string_argument(info[2], "device"))] {
          StateDict state = read_safetensors(paths);
          for (auto& [name, tensor] : state.tensors) {
            const bool cast = dtype && tensor.is_floating_point();
            tensor = tensor.to(device, cast ? *dtype : tensor.scalar_type());
          }
          return state;
        },
        state_to_js);
  });
}

// saveTensors(path, {name: tensor}, {key: text}, token)
Napi::Value save_tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    StateDict state;
    for (const auto& entry : info[1].As<Napi::Object>()) {
      state.tensors[entry.first.As<Napi::String>()] = tensor_argument(entry.second);
    }
    for (const auto& entry : info[2].As<Napi::Object>()) {
      state.metadata[entry.first.As<Napi::String>()] = string_argument(entry.second, "metadata");
    }
    return start_job(
        info.Env(), "io", cancel_token_argument(info[3]),
        [path = string_argument(info[0], "path"), state] {
          write_safetensors(path, state);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

}  // namespace

void export_weights(Napi::Env env, Napi::Object exports) {
  exports.Set("loadTensors", Napi::Function::New<load_tensors>(env));
  exports.Set("saveTensors", Napi::Function::New<save_tensors>(env));
}

}  // namespace latentray::binding
