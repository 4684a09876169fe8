// The text projection's handle.
#pragma once

#include <napi.h>

#include "models/text_projection.h"
#include "object.h"

namespace latentray::binding {

class TextProjectionObject : public Object<TextProjectionObject, TextProjection> {
 public:
  static constexpr const char* kName = "TextProjection";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const TextProjection& model);
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value in_features(const Napi::CallbackInfo& info);
  Napi::Value out_features(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
