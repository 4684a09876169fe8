#include "denoiser_trainer.h"

#include <algorithm>

#include "core/dtype.h"
#include "members.h"
#include "process_group.h"
#include "scheduler.h"
#include "text_encoder.h"
#include "text_projection.h"
#include "trainer_options.h"
#include "unet.h"

namespace latentray::binding {

namespace {

// { unet, textEncoder | null, textProjection | null }
DenoiserModels denoiser_models_argument(const Members& members) {
  DenoiserModels models;
  models.unet = UNetObject::payload_of(members.get("unet"));
  if (members.has("textEncoder")) {
    models.text_encoder = TextEncoderObject::payload_of(members.get("textEncoder"));
  }
  if (members.has("textProjection")) {
    models.text_projection = TextProjectionObject::payload_of(members.get("textProjection"));
  }
  return models;
}

// { rank, alpha, unet: names, textEncoder: names }; no names, no adapter.
std::optional<NewLora> lora_argument(const Members& lora, const char* part) {
  const auto targets = strings_argument(lora.get(part), part);
  if (targets.empty()) return std::nullopt;
  return NewLora{lora.integer("rank"), lora.number("alpha"), targets};
}

std::map<std::string, std::vector<int64_t>> tokens_argument(const Napi::Value& value) {
  std::map<std::string, std::vector<int64_t>> tokens;
  for (const auto& entry : value.As<Napi::Object>()) {
    tokens[entry.first.As<Napi::String>()] = integers_argument(entry.second, "tokens");
  }
  return tokens;
}

TrainedDenoiserParts parts_argument(const Members& members) {
  const auto whole = strings_argument(members.get("trainable"), "trainable");
  const auto is_whole = [&](const char* part) {
    return std::find(whole.begin(), whole.end(), part) != whole.end();
  };
  TrainedDenoiserParts parts;
  parts.unet = is_whole("unet");
  parts.text_encoder = is_whole("textEncoder");
  parts.text_projection = is_whole("textProjection");
  if (members.has("lora")) {
    const Members lora(members.get("lora"));
    parts.unet_lora = lora_argument(lora, "unet");
    parts.text_encoder_lora = lora_argument(lora, "textEncoder");
  }
  parts.tokens = tokens_argument(members.get("tokens"));
  return parts;
}

NoisePredictionOptions loss_argument(const Members& members, SharedScheduler& shared) {
  NoisePredictionOptions options;
  const std::lock_guard lock(shared.mutex);
  options.schedule = shared.scheduler->noise_schedule();
  options.prediction_type = shared.scheduler->prediction_type();
  if (members.has("snrGamma")) options.snr_gamma = members.number("snrGamma");
  options.noise_offset = members.number("noiseOffset");
  options.input_perturbation = members.number("inputPerturbation");
  options.seed = training_seed_argument(members.get("seed"));
  return options;
}

// createDenoiserTrainer({ unet, textEncoder, textProjection, scheduler }, options, token)
Napi::Value create_denoiser_trainer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Members given(info[0]);
    const Members members(info[1]);
    const auto models = denoiser_models_argument(given);
    const auto scheduler = SchedulerObject::payload_of(given.get("scheduler"));
    const DenoiserTrainerOptions options{
        parts_argument(members), loss_argument(members, *scheduler), training_argument(members),
        members.flag("gradientCheckpointing")};
    return start_model_job(
        info.Env(), {models.unet.ptr()}, cancel_token_argument(info[2]),
        [models, options] { return std::make_shared<DenoiserTrainer>(models, options); },
        [](Napi::Env env, std::shared_ptr<DenoiserTrainer> trainer) {
          return DenoiserTrainerObject::create(env, std::move(trainer));
        });
  });
}

LatentBatch latents_argument(const Members& members) {
  LatentBatch batch;
  batch.latents = tensor_argument(members.get("latents"));
  batch.deviation = optional_tensor_argument(members.get("deviation"));
  batch.sample_numbers = sample_numbers_argument(members.get("sampleNumbers"));
  batch.noise = optional_tensor_argument(members.get("noise"));
  batch.mask = optional_tensor_argument(members.get("mask"));
  if (members.has("timesteps")) {
    batch.timesteps = integers_argument(members.get("timesteps"), "timesteps");
  }
  if (members.has("lossWeights")) {
    batch.weights = numbers_argument(members.get("lossWeights"), "lossWeights");
  }
  if (members.has("prior")) {
    const auto flags = members.get("prior").As<Napi::Array>();
    batch.prior.emplace();
    for (uint32_t i = 0; i < flags.Length(); ++i) {
      batch.prior->push_back(flags.Get(i).ToBoolean());
    }
  }
  return batch;
}

DenoiserBatch denoiser_batch_argument(const Napi::Value& value) {
  const Members members(value);
  return {latents_argument(members),
          {optional_tensor_argument(members.get("inputIds")),
           optional_tensor_argument(members.get("encoderHiddenStates")),
           optional_tensor_argument(members.get("attentionMask"))}};
}

Napi::Value denoiser_losses_to_js(Napi::Env env, const DenoiserLosses& losses) {
  auto result = Napi::Object::New(env);
  result.Set("loss", losses.total);
  result.Set("losses", to_js(env, losses.per_sample));
  result.Set("timesteps", to_js(env, losses.timesteps));
  return result;
}

}  // namespace

Napi::Value DenoiserTrainerObject::update_to_js(Napi::Env env, const ParameterUpdate& update) {
  auto result = Napi::Object::New(env);
  result.Set("gradientNorm", update.gradient_norm);
  result.Set("skipped", update.skipped);
  result.Set("lossScale", update.loss_scale);
  return result;
}

Napi::Function DenoiserTrainerObject::define(Napi::Env env) {
  using Self = DenoiserTrainerObject;
  auto methods = common_methods();
  methods.push_back(InstanceMethod<&Self::accumulate>("accumulate"));
  methods.push_back(InstanceMethod<&Self::learned_tokens>("learnedTokens"));
  methods.push_back(InstanceMethod<&Self::save_lora>("saveLora"));
  return DefineClass(env, kName, methods);
}

void DenoiserTrainerObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createDenoiserTrainer", Napi::Function::New<create_denoiser_trainer>(env));
}

// accumulate(batch, { step, microSteps }, token)
Napi::Value DenoiserTrainerObject::accumulate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Members position(info[1]);
    return start_trainer_job(
        info, 2,
        [trainer = payload(), batch = denoiser_batch_argument(info[0]),
         step = position.integer("step"), micro_steps = position.integer("microSteps")] {
          return trainer->accumulate(batch, step, micro_steps);
        },
        denoiser_losses_to_js);
  });
}

// learnedTokens(token) → { token: rows }
Napi::Value DenoiserTrainerObject::learned_tokens(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_trainer_job(
        info, 0, [trainer = payload()] { return trainer->learned_tokens(); },
        [](Napi::Env env, const std::map<std::string, at::Tensor>& tokens) {
          auto result = Napi::Object::New(env);
          for (const auto& [token, rows] : tokens) {
            result.Set(token, TensorObject::create(env, rows));
          }
          return result;
        });
  });
}

// saveLora(path, token)
Napi::Value DenoiserTrainerObject::save_lora(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_change(info, 1, [trainer = payload(), path = string_argument(info[0], "path")] {
      write_safetensors(path, trainer->lora());
    });
  });
}

}  // namespace latentray::binding
