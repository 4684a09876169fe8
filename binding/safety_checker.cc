#include "safety_checker.h"

#include <ATen/ATen.h>

#include "model_job.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

// loadSafetyChecker(source, token)
Napi::Value load_safety_checker_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] { return load_safety_checker(source.config(), source.state(), source.options); },
        [](Napi::Env env, StableDiffusionSafetyChecker model) {
          return SafetyCheckerObject::create(env, std::move(model));
        });
  });
}

// safetyCheckerScores(checker, bytes: uint8 [N, H, W, 3], token) → float32 [N, concepts]
Napi::Value safety_checker_scores(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto model = SafetyCheckerObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model.ptr()}, cancel_token_argument(info[2]),
        [model, bytes = tensor_argument(info[1])]() mutable {
          const auto pixels = prepare_for_clip(bytes, model->image_size());
          return model->forward(pixels).to(at::kCPU);
        },
        tensor_to_js);
  });
}

}  // namespace

Napi::Function SafetyCheckerObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&SafetyCheckerObject::device>("device"),
                      InstanceAccessor<&SafetyCheckerObject::dtype>("dtype"),
                      InstanceAccessor("disposed", &SafetyCheckerObject::disposed, nullptr),
                      InstanceMethod("dispose", &SafetyCheckerObject::dispose)});
}

int64_t SafetyCheckerObject::bytes_of(const StableDiffusionSafetyChecker& model) {
  return parameter_bytes(*model.ptr());
}

void SafetyCheckerObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("loadSafetyChecker", Napi::Function::New<load_safety_checker_job>(env));
  exports.Set("safetyCheckerScores", Napi::Function::New<safety_checker_scores>(env));
}

Napi::Value SafetyCheckerObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload().ptr());
}

Napi::Value SafetyCheckerObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload().ptr());
}

}  // namespace latentray::binding
