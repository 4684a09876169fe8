// What every load function takes from JavaScript: where a model lies and how to hold it.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cancellation.h"
#include "core/config.h"
#include "weights/original_checkpoint.h"
#include "weights/state_dict.h"

namespace latentray::binding {

// load…({ config, origin, files, dtype?, device, ema? }, token?)
struct ModelSource {
  explicit ModelSource(const Napi::CallbackInfo& info);

  Config config() const { return Config::parse(config_text, origin); }
  StateDict state() const;
  // The tensors of one part; an original single-file checkpoint holds all of them.
  StateDict state(Part part) const;

  std::string config_text;
  std::string origin;  // the config's path, for messages
  std::vector<std::string> files;
  LoadOptions options;
  OriginalOptions original;
  std::shared_ptr<CancelToken> token;
};

// Writes what `state` returns as safetensors: a job on the model's lane, so that no other changes
// the weights meanwhile. The call's arguments: (model, path, dtype | null, token).
Napi::Value save_model(const Napi::CallbackInfo& info, const std::string& lane,
                       std::function<StateDict()> state);

// The bytes of a module's parameters.
int64_t parameter_bytes(torch::nn::Module& module);
// Where a module computes, as the name of its executor.
std::string lane_of(torch::nn::Module& module);
at::Device device_of(torch::nn::Module& module);

// The handle's `device` and `dtype` properties.
Napi::Value device_property(Napi::Env env, torch::nn::Module& module);
Napi::Value dtype_property(Napi::Env env, torch::nn::Module& module);

}  // namespace latentray::binding
