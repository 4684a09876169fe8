#include "model_source.h"

#include "arguments.h"
#include "core/device.h"
#include "core/dtype.h"
#include "job.h"
#include "nn/module_parameters.h"
#include "weights/safetensors.h"

namespace latentray::binding {

ModelSource::ModelSource(const Napi::CallbackInfo& info) {
  const auto source = info[0].As<Napi::Object>();
  config_text = string_argument(source.Get("config"), "config");
  origin = string_argument(source.Get("origin"), "origin");
  files = strings_argument(source.Get("files"), "files");
  options.device = parse_device(string_argument(source.Get("device"), "device"));
  const Napi::Value dtype = source.Get("dtype");
  if (!is_absent(dtype)) options.dtype = parse_dtype(string_argument(dtype, "dtype"));
  token = cancel_token_argument(info[1]);
}

StateDict ModelSource::state() const { return read_safetensors(files); }

int64_t parameter_bytes(torch::nn::Module& module) {
  int64_t bytes = 0;
  for (const auto& parameter : module.parameters()) bytes += parameter.nbytes();
  return bytes;
}

at::Device device_of(torch::nn::Module& module) { return nn::first_parameter(module).device(); }

std::string lane_of(torch::nn::Module& module) { return device_name(device_of(module)); }

Napi::Value device_property(Napi::Env env, torch::nn::Module& module) {
  return Napi::String::New(env, lane_of(module));
}

Napi::Value dtype_property(Napi::Env env, torch::nn::Module& module) {
  return Napi::String::New(env, dtype_name(nn::first_parameter(module).scalar_type()));
}

}  // namespace latentray::binding
