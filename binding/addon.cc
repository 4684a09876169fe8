// The module: one Environment for each JavaScript environment that loads it.
#include <napi.h>

#include "autoencoder.h"
#include "autoencoder_trainer.h"
#include "classifier_trainer.h"
#include "controlnet.h"
#include "core/build_info.h"
#include "denoiser_trainer.h"
#include "denoising_loop.h"
#include "devices.h"
#include "environment.h"
#include "feature_distances.h"
#include "feature_network.h"
#include "feature_probes.h"
#include "feature_statistics.h"
#include "inpainting.h"
#include "job.h"
#include "lora.h"
#include "metrics.h"
#include "noise_predictor.h"
#include "noise_source.h"
#include "power_spectrum.h"
#include "process_group.h"
#include "ranking.h"
#include "safety_checker.h"
#include "scheduler.h"
#include "tensor.h"
#include "text_encoder.h"
#include "text_projection.h"
#include "unet.h"
#include "weights.h"

namespace latentray::binding {

namespace {

// initialize(makeError): must be the first call.
void initialize(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).make_error = Napi::Persistent(info[0].As<Napi::Function>());
}

// shutDown(): cancels and joins; TypeScript calls it on the process's 'exit' event, because the
// cleanup hook comes too late there (a computing thread would meet freed statics).
void shut_down(const Napi::CallbackInfo& info) { Environment::of(info.Env()).shut_down(); }

}  // namespace

Napi::Object initialize_module(Napi::Env env, Napi::Object exports) {
  initialize_libtorch();
  auto* environment = new Environment(env);
  env.SetInstanceData<Environment>(environment);
  env.AddCleanupHook([](Environment* ending) { ending->shut_down(); }, environment);

  exports.Set("initialize", Napi::Function::New<initialize>(env));
  exports.Set("shutDown", Napi::Function::New<shut_down>(env));
  export_cancel_token(env, exports);
  export_devices(env, exports);
  export_weights(env, exports);
  TensorObject::export_functions(env, exports);
  NoiseSourceObject::export_functions(env, exports);
  TextEncoderObject::export_functions(env, exports);
  TextProjectionObject::export_functions(env, exports);
  UNetObject::export_functions(env, exports);
  AutoencoderObject::export_functions(env, exports);
  SchedulerObject::export_functions(env, exports);
  ControlNetObject::export_functions(env, exports);
  SafetyCheckerObject::export_functions(env, exports);
  NoisePredictorObject::export_functions(env, exports);
  export_inpainting(env, exports);
  DenoisingRunObject::export_functions(env, exports);
  export_lora(env, exports);
  export_metrics(env, exports);
  export_power_spectrum(env, exports);
  export_feature_probes(env, exports);
  FeatureNetworkObject::export_functions(env, exports);
  FeatureStatisticsObject::export_functions(env, exports);
  export_feature_distances(env, exports);
  export_ranking(env, exports);
  ProcessGroupObject::export_functions(env, exports);
  AutoencoderTrainerObject::export_functions(env, exports);
  DenoiserTrainerObject::export_functions(env, exports);
  ClassifierTrainerObject::export_functions(env, exports);
  return exports;
}

}  // namespace latentray::binding

static Napi::Object initialize_module(Napi::Env env, Napi::Object exports) {
  return latentray::binding::initialize_module(env, exports);
}
NODE_API_MODULE(latentray, initialize_module)
