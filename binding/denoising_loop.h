// The handle of one run of the reverse process.
#pragma once

#include <napi.h>

#include <memory>

#include "diffusion/denoising_loop.h"
#include "model_job.h"
#include "object.h"

namespace latentray::binding {

// The latents and the position belong to the JavaScript thread: a step publishes them when it
// settles.
struct DenoisingRun {
  Models models;  // the predictor's
  std::unique_ptr<DenoisingLoop> loop;
  at::Tensor latents;
  std::vector<double> timesteps;
  size_t index = 0;
};

class DenoisingRunObject : public Object<DenoisingRunObject, std::shared_ptr<DenoisingRun>> {
 public:
  static constexpr const char* kName = "DenoisingRun";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<DenoisingRun>& run) {
    return run->latents.nbytes();
  }
  static void export_functions(Napi::Env env, Napi::Object exports);

 private:
  Napi::Value timesteps(const Napi::CallbackInfo& info);
  Napi::Value index(const Napi::CallbackInfo& info);
  Napi::Value latents(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
};

}  // namespace latentray::binding
