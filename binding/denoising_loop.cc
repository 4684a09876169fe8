#include "denoising_loop.h"

#include "arguments.h"
#include "model_job.h"
#include "scheduler.h"
#include "tensor.h"
#include "unet.h"

namespace latentray::binding {

namespace {

std::optional<PromptStates> prompt_argument(const Napi::Object& options, const char* states,
                                            const char* mask) {
  const auto tensor = optional_tensor_argument(options.Get(states));
  if (!tensor) return std::nullopt;
  return PromptStates{*tensor, optional_tensor_argument(options.Get(mask))};
}

DenoisingInputs inputs_argument(const Napi::Object& options) {
  const auto number = [&](const char* name) { return number_argument(options.Get(name), name); };
  DenoisingInputs inputs;
  inputs.prompt = {tensor_argument(options.Get("promptEmbeddings")),
                   optional_tensor_argument(options.Get("promptMask"))};
  inputs.negative = prompt_argument(options, "negativePromptEmbeddings", "negativePromptMask");
  inputs.guidance = {number("guidanceScale"), number("guidanceRescale")};
  inputs.eta = number("eta");
  inputs.steps = static_cast<int64_t>(number("steps"));
  inputs.seeds = seeds_argument(options.Get("seeds"), "seeds");
  inputs.height = static_cast<int64_t>(number("height"));
  inputs.width = static_cast<int64_t>(number("width"));
  inputs.latents = optional_tensor_argument(options.Get("latents"));
  return inputs;
}

// startDenoising(unet, scheduler, inputs, token)
Napi::Value start_denoising(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto unet = UNetObject::payload_of(info[0]);
    const auto scheduler = SchedulerObject::payload_of(info[1]);
    return start_job(
        info.Env(), lane_of(*unet.ptr()), cancel_token_argument(info[3]),
        [unet, scheduler, inputs = inputs_argument(info[2].As<Napi::Object>())] {
          auto run = std::make_shared<DenoisingRun>();
          run->loop = std::make_unique<DenoisingLoop>(unet, scheduler->scheduler->clone(), inputs);
          run->unet = unet.ptr();
          run->latents = run->loop->latents();
          run->timesteps = run->loop->timesteps();
          return run;
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
        info.Env(), run->unet, cancel_token_argument(info[0]),
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
