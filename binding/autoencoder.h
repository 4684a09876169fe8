// The autoencoder's handle.
#pragma once

#include <napi.h>

#include <memory>

#include "models/autoencoder.h"
#include "object.h"

namespace latentray::binding {

class AutoencoderObject : public Object<AutoencoderObject, std::shared_ptr<Autoencoder>> {
 public:
  static constexpr const char* kName = "Autoencoder";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<Autoencoder>& model);
  static const torch::nn::Module* grower_of(const std::shared_ptr<Autoencoder>& model) {
    return model.get();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value latent_space(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
