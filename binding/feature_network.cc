#include "feature_network.h"

#include <ATen/ATen.h>

#include "arguments.h"
#include "model_job.h"
#include "models/clip_vision.h"
#include "models/densenet.h"
#include "models/inception_v3.h"
#include "models/random_init.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

using Network = std::shared_ptr<FeatureNetwork>;

Napi::Value network_to_js(Napi::Env env, Network network) {
  return FeatureNetworkObject::create(env, std::move(network));
}

InceptionResize resize_argument(const Napi::Value& value) {
  const std::string mode = string_argument(value, "mode");
  if (mode == "clean-fid") return InceptionResize::kCleanFid;
  if (mode == "pytorch-fid") return InceptionResize::kPytorchFid;
  LATENTRAY_CHECK(mode == "torch-fidelity", "ERR_INVALID_ARG",
                  "mode: expected 'clean-fid', 'pytorch-fid' or 'torch-fidelity', received '", mode,
                  "'");
  return InceptionResize::kTensorflow;
}

// loadInception(source, token, mode)
Napi::Value load_inception_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source, resize = resize_argument(info[2])]() -> Network {
          return load_inception_v3(source.state(), resize, source.options);
        },
        network_to_js);
  });
}

// loadDenseNet(source, token)
Napi::Value load_densenet_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source]() -> Network { return load_densenet(source.state(), source.options); },
        network_to_js);
  });
}

// loadResNet(source, token)
Napi::Value load_resnet_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source]() -> Network {
          return load_resnet(source.config(), source.state(), source.options);
        },
        network_to_js);
  });
}

// createResNet(source without files, token, seed)
Napi::Value create_resnet_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source, seed = seed_argument(info[2], "seed")]() -> Network {
          return create_resnet(source.config(), seed, source.options.device);
        },
        network_to_js);
  });
}

// featureNetworkSave(network, path, dtype | null, token)
Napi::Value feature_network_save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Network network = FeatureNetworkObject::payload_of(info[0]);
    return save_model(info, lane_of(*network), [network] { return state_of(*network); });
  });
}

// loadClipImageFeatures(source, token)
Napi::Value load_clip_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source]() -> Network {
          return load_clip_image_features(source.config(), source.state(), source.options);
        },
        network_to_js);
  });
}

// The last two are undefined for a network without classes.
struct Output {
  at::Tensor features;
  at::Tensor logits;
  at::Tensor probabilities;
};

Output compute(FeatureNetwork& network, const at::Tensor& pixels, const std::string& layer) {
  auto found = network.forward(network.prepare(pixels));
  LATENTRAY_CHECK(found.contains(layer), "ERR_INVALID_ARG", "layer: the network has no '", layer,
                  "'");
  const auto on_cpu = [](const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kFloat); };
  Output output{on_cpu(found.at(layer)), {}, {}};
  if (const auto logits = found.find("logits"); logits != found.end()) {
    output.logits = on_cpu(logits->second);
    output.probabilities = on_cpu(network.probabilities(logits->second));
  }
  return output;
}

// featureNetworkForward(network, pixels, layer, token) → { features, logits?, probabilities? }
Napi::Value feature_network_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Network network = FeatureNetworkObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {network}, cancel_token_argument(info[3]),
        [network, pixels = tensor_argument(info[1]), layer = string_argument(info[2], "layer")] {
          return compute(*network, pixels, layer);
        },
        [](Napi::Env env, Output output) {
          auto result = Napi::Object::New(env);
          result.Set("features", tensor_to_js(env, std::move(output.features)));
          if (!output.logits.defined()) return result;
          result.Set("logits", tensor_to_js(env, std::move(output.logits)));
          result.Set("probabilities", tensor_to_js(env, std::move(output.probabilities)));
          return result;
        });
  });
}

}  // namespace

Napi::Function FeatureNetworkObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&FeatureNetworkObject::device>("device"),
                      InstanceAccessor<&FeatureNetworkObject::dtype>("dtype"),
                      InstanceAccessor<&FeatureNetworkObject::classes>("classes"),
                      InstanceAccessor("disposed", &FeatureNetworkObject::disposed, nullptr),
                      InstanceMethod("dispose", &FeatureNetworkObject::dispose)});
}

int64_t FeatureNetworkObject::bytes_of(const Network& network) { return parameter_bytes(*network); }

void FeatureNetworkObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("loadInception", Napi::Function::New<load_inception_job>(env));
  exports.Set("loadClipImageFeatures", Napi::Function::New<load_clip_job>(env));
  exports.Set("loadResNet", Napi::Function::New<load_resnet_job>(env));
  exports.Set("createResNet", Napi::Function::New<create_resnet_job>(env));
  exports.Set("featureNetworkSave", Napi::Function::New<feature_network_save>(env));
  exports.Set("loadDenseNet", Napi::Function::New<load_densenet_job>(env));
  exports.Set("featureNetworkForward", Napi::Function::New<feature_network_forward>(env));
}

Napi::Value FeatureNetworkObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload());
}

Napi::Value FeatureNetworkObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload());
}

Napi::Value FeatureNetworkObject::classes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->classes()));
}

}  // namespace latentray::binding
