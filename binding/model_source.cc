#include "model_source.h"

#include "arguments.h"
#include "core/device.h"
#include "core/dtype.h"
#include "job.h"
#include "nn/module_parameters.h"
#include "weights/checkpoint.h"
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
  const Napi::Value ema = source.Get("ema");
  if (!is_absent(ema)) original.ema = ema.ToBoolean();
  token = cancel_token_argument(info[1]);
}

StateDict ModelSource::state() const { return read_checkpoint(files); }

StateDict ModelSource::state(Part part) const {
  return from_original(state(), part, config(), original);
}

Napi::Value save_model(const Napi::CallbackInfo& info, const std::string& lane,
                       std::function<StateDict()> state) {
  std::optional<at::ScalarType> dtype;
  if (!is_absent(info[2])) dtype = parse_dtype(string_argument(info[2], "dtype"));
  return start_job(
      info.Env(), lane, cancel_token_argument(info[3]),
      [state = std::move(state), dtype, path = string_argument(info[1], "path")] {
        StateDict saved = state();
        saved.metadata["format"] = "pt";  // which transformers asks for
        if (dtype) cast_floating(saved, *dtype);
        write_safetensors(path, saved);
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

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
