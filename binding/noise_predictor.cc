#include "noise_predictor.h"

#include "arguments.h"
#include "controlnet.h"
#include "model_job.h"
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

StepInterval interval_argument(const Napi::Object& options) {
  return {number_argument(options.Get("start"), "start"),
          number_argument(options.Get("end"), "end")};
}

std::vector<ControlInput> controls_argument(const Napi::Array& array) {
  std::vector<ControlInput> controls;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto control = array.Get(i).As<Napi::Object>();
    controls.push_back(
        {ControlNetObject::payload_of(control.Get("model")), tensor_argument(control.Get("image")),
         number_argument(control.Get("scale"), "scale"), interval_argument(control)});
  }
  return controls;
}

NoiseConditions noise_conditions_argument(const Napi::Object& options) {
  const auto number = [&](const char* name) { return number_argument(options.Get(name), name); };
  NoiseConditions conditions;
  conditions.prompt = {tensor_argument(options.Get("promptEmbeddings")),
                       optional_tensor_argument(options.Get("promptMask"))};
  conditions.negative = prompt_argument(options, "negativePromptEmbeddings", "negativePromptMask");
  conditions.guidance = {number("guidanceScale"), number("guidanceRescale"),
                         interval_argument(options.Get("guidanceInterval").As<Napi::Object>())};
  conditions.extra_channels = optional_tensor_argument(options.Get("extraChannels"));
  conditions.controls = controls_argument(options.Get("controls").As<Napi::Array>());
  conditions.guess_mode = options.Get("guessMode").ToBoolean();
  return conditions;
}

// createNoisePredictor(unet, conditions, token)
Napi::Value create_noise_predictor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto unet = UNetObject::payload_of(info[0]);
    return start_job(
        info.Env(), lane_of(*unet.ptr()), cancel_token_argument(info[2]),
        [unet, conditions = noise_conditions_argument(info[1].As<Napi::Object>())] {
          Models models{unet.ptr()};
          for (const auto& control : conditions.controls) models.push_back(control.model.ptr());
          return SharedPredictor{std::make_shared<NoisePredictor>(unet, conditions), models};
        },
        [](Napi::Env env, SharedPredictor predictor) {
          return NoisePredictorObject::create(env, std::move(predictor));
        });
  });
}

}  // namespace

Napi::Function NoisePredictorObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor("disposed", &NoisePredictorObject::disposed, nullptr),
                      InstanceMethod<&NoisePredictorObject::predict>("predict"),
                      InstanceMethod("dispose", &NoisePredictorObject::dispose)});
}

void NoisePredictorObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createNoisePredictor", Napi::Function::New<create_noise_predictor>(env));
}

// predict(sample, timestep, step, steps, token)
Napi::Value NoisePredictorObject::predict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const SharedPredictor shared = payload();
    return start_model_job(
        info.Env(), shared.models, cancel_token_argument(info[4]),
        [predictor = shared.predictor, sample = tensor_argument(info[0]),
         timestep = number_argument(info[1], "timestep"),
         step = static_cast<size_t>(number_argument(info[2], "step")),
         steps = static_cast<size_t>(number_argument(info[3], "steps"))] {
          return predictor->predict(sample.to(predictor->tensor_options()), timestep, step, steps);
        },
        tensor_to_js);
  });
}

}  // namespace latentray::binding
