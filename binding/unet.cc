#include "unet.h"

#include <ATen/ATen.h>

#include "arguments.h"
#include "model_job.h"
#include "models/load_unet.h"
#include "models/random_init.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

Napi::Value unet_to_js(Napi::Env env, UNet2DConditionModel model) {
  return UNetObject::create(env, std::move(model));
}

// loadUNet(source, token)
Napi::Value load_unet_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] { return load_unet(source.config(), source.state(Part::kUNet), source.options); },
        unet_to_js);
  });
}

// createUNet(source without files, token, seed)
Napi::Value create_unet_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source, seed = seed_argument(info[2], "seed")] {
          return create_unet(source.config(), seed, source.options.device);
        },
        unet_to_js);
  });
}

// { encoderAttentionMask?, timestepCond?, controlResiduals?: { down, mid } }
UNetConditions unet_conditions_argument(const Napi::Object& options) {
  UNetConditions conditions;
  conditions.encoder_attention_mask = optional_tensor_argument(options.Get("encoderAttentionMask"));
  conditions.timestep_cond = optional_tensor_argument(options.Get("timestepCond"));
  const Napi::Value control = options.Get("controlResiduals");
  if (!is_absent(control)) {
    const auto residuals = control.As<Napi::Object>();
    conditions.down_block_additional_residuals = tensors_argument(residuals.Get("down"), "down");
    conditions.mid_block_additional_residual = tensor_argument(residuals.Get("mid"));
  }
  return conditions;
}

// unetForward(unet, sample, timesteps: number[], encoderHiddenStates, conditions, token)
Napi::Value unet_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto model = UNetObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model.ptr()}, cancel_token_argument(info[5]),
        [model, sample = tensor_argument(info[1]),
         timesteps = numbers_argument(info[2], "timestep"), states = tensor_argument(info[3]),
         conditions = unet_conditions_argument(info[4].As<Napi::Object>())]() mutable {
          return model->forward(sample, at::tensor(timesteps, at::kDouble), states, conditions);
        },
        tensor_to_js);
  });
}

// unetSave(unet, path, dtype | null, token)
Napi::Value unet_save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto model = UNetObject::payload_of(info[0]);
    return save_model(info, lane_of(*model), [model] { return state_of(*model); });
  });
}

}  // namespace

Napi::Function UNetObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&UNetObject::device>("device"),
                      InstanceAccessor<&UNetObject::dtype>("dtype"),
                      InstanceAccessor<&UNetObject::options>("options"),
                      InstanceAccessor("disposed", &UNetObject::disposed, nullptr),
                      InstanceMethod("dispose", &UNetObject::dispose)});
}

int64_t UNetObject::bytes_of(const UNet2DConditionModel& model) {
  return parameter_bytes(*model.ptr());
}

void UNetObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("loadUNet", Napi::Function::New<load_unet_job>(env));
  exports.Set("createUNet", Napi::Function::New<create_unet_job>(env));
  exports.Set("unetForward", Napi::Function::New<unet_forward>(env));
  exports.Set("unetSave", Napi::Function::New<unet_save>(env));
}

Napi::Value UNetObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload().ptr());
}

Napi::Value UNetObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload().ptr());
}

Napi::Value UNetObject::options(const Napi::CallbackInfo& info) {
  const auto& options = payload()->options();
  auto result = Napi::Object::New(info.Env());
  result.Set("inChannels", static_cast<double>(options.in_channels));
  result.Set("outChannels", static_cast<double>(options.out_channels));
  const auto& projection = options.time_cond_proj_dim;
  result.Set("timeCondProjDim",
             projection ? Napi::Number::New(info.Env(), static_cast<double>(*projection))
                        : info.Env().Null());
  result.Set("crossAttentionDim", static_cast<double>(options.cross_attention_dim));
  return result;
}

}  // namespace latentray::binding
