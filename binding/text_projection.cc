#include "text_projection.h"

#include "arguments.h"
#include "job.h"
#include "model_source.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

Napi::Value projection_to_js(Napi::Env env, TextProjection model) {
  return TextProjectionObject::create(env, std::move(model));
}

// loadTextProjection(source, token)
Napi::Value load_text_projection_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] { return load_text_projection(source.config(), source.state(), source.options); },
        projection_to_js);
  });
}

// createTextProjection(source without files, token, seed)
Napi::Value create_text_projection_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source, seed = seed_argument(info[2], "seed")] {
          return create_text_projection(source.config(), seed, source.options);
        },
        projection_to_js);
  });
}

// textProjectionForward(projection, states, token)
Napi::Value text_projection_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto model = TextProjectionObject::payload_of(info[0]);
    return start_job(
        info.Env(), lane_of(*model.ptr()), cancel_token_argument(info[2]),
        [model, states = tensor_argument(info[1])]() mutable {
          return model->forward(states.to(device_of(*model.ptr())));
        },
        tensor_to_js);
  });
}

// textProjectionSave(projection, path, dtype | null, token)
Napi::Value text_projection_save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = TextProjectionObject::payload_of(info[0]);
    return save_model(info, lane_of(*model.ptr()), [model] { return state_of(*model); });
  });
}

}  // namespace

Napi::Function TextProjectionObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&TextProjectionObject::device>("device"),
                      InstanceAccessor<&TextProjectionObject::dtype>("dtype"),
                      InstanceAccessor<&TextProjectionObject::in_features>("inFeatures"),
                      InstanceAccessor<&TextProjectionObject::out_features>("outFeatures"),
                      InstanceAccessor("disposed", &TextProjectionObject::disposed, nullptr),
                      InstanceMethod("dispose", &TextProjectionObject::dispose)});
}

int64_t TextProjectionObject::bytes_of(const TextProjection& model) {
  return parameter_bytes(*model.ptr());
}

void TextProjectionObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("loadTextProjection", Napi::Function::New<load_text_projection_job>(env));
  exports.Set("createTextProjection", Napi::Function::New<create_text_projection_job>(env));
  exports.Set("textProjectionForward", Napi::Function::New<text_projection_forward>(env));
  exports.Set("textProjectionSave", Napi::Function::New<text_projection_save>(env));
}

Napi::Value TextProjectionObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload().ptr());
}

Napi::Value TextProjectionObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload().ptr());
}

Napi::Value TextProjectionObject::in_features(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->options().in_features));
}

Napi::Value TextProjectionObject::out_features(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->options().out_features));
}

}  // namespace latentray::binding
