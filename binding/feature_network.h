// The feature extractor's handle.
#pragma once

#include <napi.h>

#include "models/feature_network.h"
#include "object.h"

namespace latentray::binding {

class FeatureNetworkObject : public Object<FeatureNetworkObject, std::shared_ptr<FeatureNetwork>> {
 public:
  static constexpr const char* kName = "FeatureExtractor";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<FeatureNetwork>& network);
  static const torch::nn::Module* grower_of(const std::shared_ptr<FeatureNetwork>& network) {
    return network.get();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value classes(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
