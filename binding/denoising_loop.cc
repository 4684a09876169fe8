#include "denoising_loop.h"

#include "arguments.h"
#include "model_job.h"
#include "noise_predictor.h"
#include "noise_source.h"
#include "scheduler.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

DenoisingInputs inputs_argument(const Napi::Object& options) {
  DenoisingInputs inputs;
  inputs.noise = tensor_argument(options.Get("noise"));
  inputs.image_latents = optional_tensor_argument(options.Get("imageLatents"));
  inputs.latents = optional_tensor_argument(options.Get("latents"));
  const Napi::Value known = options.Get("known");
  if (!is_absent(known)) {
    const auto region = known.As<Napi::Object>();
    inputs.known = KnownRegion{tensor_argument(region.Get("mask")),
                               tensor_argument(region.Get("imageLatents"))};
  }
  inputs.start_step = static_cast<size_t>(number_argument(options.Get("startStep"), "startStep"));
  inputs.eta = number_argument(options.Get("eta"), "eta");
  inputs.noise_source = NoiseSourceObject::payload_of(options.Get("noiseSource"));
  return inputs;
}

std::shared_ptr<DenoisingRun> start_run(const SharedPredictor& shared,
                                        std::unique_ptr<Scheduler> scheduler,
                                        const DenoisingInputs& inputs) {
  auto run = std::make_shared<DenoisingRun>();
  run->loop = std::make_unique<DenoisingLoop>(shared.predictor, std::move(scheduler), inputs);
  run->models = shared.models;
  run->latents = run->loop->latents();
  run->timesteps = run->loop->timesteps();
  return run;
}

// startDenoising(predictor, scheduler, steps, inputs, token): `steps` as setTimesteps() takes them.
// The run has a scheduler of its own.
Napi::Value start_denoising(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const SharedPredictor shared = NoisePredictorObject::payload_of(info[0]);
    const auto scheduler = SchedulerObject::payload_of(info[1]);
    return start_job(
        info.Env(), lane_of(*shared.models.front()), cancel_token_argument(info[4]),
        [shared, scheduler, choose = steps_argument(info[2]),
         inputs = inputs_argument(info[3].As<Napi::Object>())] {
          auto own = scheduler->scheduler->clone();
          choose(*own);
          return start_run(shared, std::move(own), inputs);
        },
        [](Napi::Env env, std::shared_ptr<DenoisingRun> run) {
          return DenoisingRunObject::create(env, std::move(run));
        });
  });
}

}  // namespace

Napi::Function DenoisingRunObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&DenoisingRunObject::timesteps>("timesteps"),
                      InstanceAccessor<&DenoisingRunObject::index>("index"),
                      InstanceAccessor("disposed", &DenoisingRunObject::disposed, nullptr),
                      InstanceMethod<&DenoisingRunObject::latents>("latents"),
                      InstanceMethod<&DenoisingRunObject::step>("step"),
                      InstanceMethod("dispose", &DenoisingRunObject::dispose)});
}

void DenoisingRunObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("startDenoising", Napi::Function::New<start_denoising>(env));
}

Napi::Value DenoisingRunObject::timesteps(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), payload()->timesteps);
}

Napi::Value DenoisingRunObject::index(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload()->index));
}

Napi::Value DenoisingRunObject::latents(const Napi::CallbackInfo& info) {
  return TensorObject::create(info.Env(), payload()->latents);
}

// step(token)
Napi::Value DenoisingRunObject::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto run = payload();
    return start_model_job(
        info.Env(), run->models, cancel_token_argument(info[0]),
        [run] {
          run->loop->step();
          return run->loop->latents();
        },
        [run](Napi::Env env, at::Tensor latents) {
          run->latents = std::move(latents);
          ++run->index;
          return env.Undefined();
        });
  });
}

}  // namespace latentray::binding
