#include "noise_source.h"

#include "arguments.h"
#include "core/device.h"
#include "core/dtype.h"
#include "job.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

// createNoiseSource(seeds)
Napi::Value create_noise_source(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return NoiseSourceObject::create(
        info.Env(), std::make_shared<NoiseSource>(seeds_argument(info[0], "seeds")));
  });
}

// drawNoise(source, shape, dtype, device, token)
Napi::Value draw_noise(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto options = at::TensorOptions()
                             .dtype(parse_dtype(string_argument(info[2], "dtype")))
                             .device(parse_device(string_argument(info[3], "device")));
    return start_job(
        info.Env(), device_name(options.device()), cancel_token_argument(info[4]),
        [source = NoiseSourceObject::payload_of(info[0]),
         shape = integers_argument(info[1], "shape"),
         options] { return source->randn(shape, options); },
        tensor_to_js);
  });
}

}  // namespace

Napi::Function NoiseSourceObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor("disposed", &NoiseSourceObject::disposed, nullptr),
                      InstanceMethod("dispose", &NoiseSourceObject::dispose)});
}

void NoiseSourceObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createNoiseSource", Napi::Function::New<create_noise_source>(env));
  exports.Set("drawNoise", Napi::Function::New<draw_noise>(env));
}

}  // namespace latentray::binding
