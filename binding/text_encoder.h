// The text encoder's handle.
#pragma once

#include <napi.h>

#include <memory>

#include "models/text_encoder.h"
#include "object.h"

namespace latentray::binding {

class TextEncoderObject : public Object<TextEncoderObject, std::shared_ptr<TextEncoder>> {
 public:
  static constexpr const char* kName = "TextEncoder";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<TextEncoder>& model);
  static const torch::nn::Module* grower_of(const std::shared_ptr<TextEncoder>& model) {
    return model.get();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value hidden_size(const Napi::CallbackInfo& info);
  Napi::Value max_length(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
