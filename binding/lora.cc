#include "lora.h"

#include <map>
#include <memory>

#include "arguments.h"
#include "job.h"
#include "model_source.h"
#include "models/lora.h"
#include "text_encoder.h"
#include "unet.h"
#include "weights/checkpoint.h"

namespace latentray::binding {

namespace {

// A model with adapters, and which part of a LoRA file is for it.
struct Adapted {
  std::shared_ptr<torch::nn::Module> model;
  Part part;
};

// (handle, "unet" | "textEncoder")
Adapted adapted_arguments(const Napi::CallbackInfo& info) {
  if (string_argument(info[1], "part") == "unet") {
    return {UNetObject::payload_of(info[0]).ptr(), Part::kUNet};
  }
  return {TextEncoderObject::payload_of(info[0]), Part::kTextEncoder};
}

Napi::Value count_to_js(Napi::Env env, int64_t count) {
  return Napi::Number::New(env, static_cast<double>(count));
}

// A job on the model's lane, where no forward runs meanwhile. `change` returns a count.
template <class Change>
Napi::Value change_model(const Napi::CallbackInfo& info, int token, Change change) {
  const Adapted adapted = adapted_arguments(info);
  return start_job(
      info.Env(), lane_of(*adapted.model), cancel_token_argument(info[token]),
      [adapted, change] { return change(adapted); }, count_to_js);
}

// addLora(model, part, path, name, token) → how many layers it adapts
Napi::Value add(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return change_model(info, 4,
                        [path = string_argument(info[2], "path"),
                         name = string_argument(info[3], "name")](const Adapted& adapted) {
                          const auto layers = lora_layers(read_checkpoint(path), adapted.part);
                          return add_lora(*adapted.model, name, layers);
                        });
  });
}

// setLoraScales(model, part, { name: scale }, token)
Napi::Value set_scales(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::map<std::string, double> scales;
    for (const auto& entry : info[2].As<Napi::Object>()) {
      scales[entry.first.As<Napi::String>()] = number_argument(entry.second, "scale");
    }
    return change_model(info, 3, [scales](const Adapted& adapted) -> int64_t {
      set_lora_scales(*adapted.model, scales);
      return 0;
    });
  });
}

// removeLora(model, part, name, token)
Napi::Value remove(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return change_model(
        info, 3, [name = string_argument(info[2], "name")](const Adapted& adapted) -> int64_t {
          remove_lora(*adapted.model, name);
          return 0;
        });
  });
}

// fuseLora(model, part, token) and unfuseLora(model, part, token)
template <void (*change)(torch::nn::Module&)>
Napi::Value change_weights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return change_model(info, 2, [](const Adapted& adapted) -> int64_t {
      change(*adapted.model);
      return 0;
    });
  });
}

}  // namespace

void export_lora(Napi::Env env, Napi::Object exports) {
  exports.Set("addLora", Napi::Function::New<add>(env));
  exports.Set("setLoraScales", Napi::Function::New<set_scales>(env));
  exports.Set("removeLora", Napi::Function::New<remove>(env));
  exports.Set("fuseLora", Napi::Function::New<change_weights<fuse_lora>>(env));
  exports.Set("unfuseLora", Napi::Function::New<change_weights<unfuse_lora>>(env));
}

}  // namespace latentray::binding
