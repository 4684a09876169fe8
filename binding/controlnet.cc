#include "controlnet.h"

#include <ATen/ATen.h>

#include "arguments.h"
#include "model_job.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

// loadControlNet(source, token)
Napi::Value load_controlnet_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] { return load_controlnet(source.config(), source.state(), source.options); },
        [](Napi::Env env, ControlNetModel model) {
          return ControlNetObject::create(env, std::move(model));
        });
  });
}

Napi::Value residuals_to_js(Napi::Env env, const ControlResiduals& residuals) {
  auto down = Napi::Array::New(env, residuals.down.size());
  for (uint32_t i = 0; i < residuals.down.size(); ++i) {
    down.Set(i, TensorObject::create(env, residuals.down[i]));
  }
  auto result = Napi::Object::New(env);
  result.Set("down", down);
  result.Set("mid", TensorObject::create(env, residuals.mid));
  return result;
}

ControlStrength strength_argument(const Napi::Object& options) {
  return {number_argument(options.Get("scale"), "scale"), options.Get("guessMode").ToBoolean()};
}

// controlNetForward(controlNet, sample, timesteps: number[], encoderHiddenStates, image,
//                   { scale, guessMode }, mask | null, token) → { down, mid }
Napi::Value controlnet_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto model = ControlNetObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model.ptr()}, cancel_token_argument(info[7]),
        [model, sample = tensor_argument(info[1]),
         timesteps = numbers_argument(info[2], "timestep"), states = tensor_argument(info[3]),
         image = tensor_argument(info[4]), strength = strength_argument(info[5].As<Napi::Object>()),
         mask = optional_tensor_argument(info[6])]() mutable {
          return model->forward(sample, at::tensor(timesteps, at::kDouble), states, image, strength,
                                mask);
        },
        residuals_to_js);
  });
}

}  // namespace

Napi::Function ControlNetObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&ControlNetObject::device>("device"),
                      InstanceAccessor<&ControlNetObject::dtype>("dtype"),
                      InstanceAccessor<&ControlNetObject::options>("options"),
                      InstanceAccessor("disposed", &ControlNetObject::disposed, nullptr),
                      InstanceMethod("dispose", &ControlNetObject::dispose)});
}

int64_t ControlNetObject::bytes_of(const ControlNetModel& model) {
  return parameter_bytes(*model.ptr());
}

void ControlNetObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("loadControlNet", Napi::Function::New<load_controlnet_job>(env));
  exports.Set("controlNetForward", Napi::Function::New<controlnet_forward>(env));
}

Napi::Value ControlNetObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload().ptr());
}

Napi::Value ControlNetObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload().ptr());
}

Napi::Value ControlNetObject::options(const Napi::CallbackInfo& info) {
  const auto& options = payload()->control_options();
  auto result = Napi::Object::New(info.Env());
  result.Set("inChannels", static_cast<double>(options.encoder.in_channels));
  result.Set("crossAttentionDim", static_cast<double>(options.encoder.cross_attention_dim));
  result.Set("conditioningChannels", static_cast<double>(options.conditioning_channels));
  result.Set("downscale", static_cast<double>(options.downscale()));
  return result;
}

}  // namespace latentray::binding
