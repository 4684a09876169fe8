#include "autoencoder_trainer.h"

#include "autoencoder.h"
#include "core/dtype.h"
#include "members.h"
#include "process_group.h"
#include "tensor.h"
#include "trainer_options.h"
#include "weights/checkpoint.h"

namespace latentray::binding {

namespace {

AutoencoderTrainerOptions options_argument(const Napi::Value& value) {
  const Members members(value);
  AutoencoderTrainerOptions options;
  auto& objective = options.objective;
  objective.decoder_only = members.flag("decoderOnly");
  objective.reconstruction = members.text("reconstruction") == "l2"
                                 ? ReconstructionError::kSquared
                                 : ReconstructionError::kAbsolute;
  objective.kl_weight = members.number("klWeight");
  objective.precision = parse_dtype(members.text("precision"));
  if (members.has("perceptual")) {
    objective.perceptual_weight = Members(members.get("perceptual")).number("weight");
  }
  if (members.has("discriminator")) {
    const Members discriminator(members.get("discriminator"));
    objective.discriminator_weight = discriminator.number("weight");
    objective.discriminator_start = discriminator.integer("startStep");
    options.discriminator = PatchDiscriminatorOptions{.channels = discriminator.integer("channels"),
                                                      .layers = discriminator.integer("layers")};
  }
  options.optimizer = optimizer_argument(members.get("optimizer"));
  if (members.has("maxGradNorm")) options.max_grad_norm = members.number("maxGradNorm");
  if (members.has("ema")) options.ema = ema_argument(members.get("ema"));
  options.seed = training_seed_argument(members.get("seed"));
  if (members.has("processGroup")) {
    options.group = ProcessGroupObject::payload_of(members.get("processGroup"));
  }
  return options;
}

// The files of the perceptual loss, read where the job runs.
struct PerceptualFiles {
  std::string features;
  std::string linear;
};

std::optional<PerceptualFiles> perceptual_argument(const Napi::Value& options) {
  const Members members(options);
  if (!members.has("perceptual")) return std::nullopt;
  const Members files(members.get("perceptual"));
  return PerceptualFiles{files.text("features"), files.text("linear")};
}

// createAutoencoderTrainer(autoencoder, options, token)
Napi::Value create_autoencoder_trainer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model}, cancel_token_argument(info[2]),
        [model, options = options_argument(info[1]), files = perceptual_argument(info[1])] {
          auto complete = options;
          if (files) {
            complete.perceptual =
                std::make_shared<PerceptualLoss>(read_checkpoint(files->features),
                                                 read_checkpoint(files->linear), device_of(*model));
          }
          return std::make_shared<AutoencoderTrainer>(model, complete);
        },
        [](Napi::Env env, std::shared_ptr<AutoencoderTrainer> trainer) {
          return AutoencoderTrainerObject::create(env, std::move(trainer));
        });
  });
}

// { pixels, sampleNumbers, noise | null }
AutoencoderBatch autoencoder_batch_argument(const Napi::Value& value) {
  const Members members(value);
  AutoencoderBatch batch;
  batch.pixels = tensor_argument(members.get("pixels"));
  batch.sample_numbers = sample_numbers_argument(members.get("sampleNumbers"));
  batch.noise = optional_tensor_argument(members.get("noise"));
  return batch;
}

Napi::Value autoencoder_losses_to_js(Napi::Env env, const AutoencoderLosses& losses) {
  auto result = Napi::Object::New(env);
  result.Set("loss", losses.total);
  result.Set("reconstruction", losses.reconstruction);
  result.Set("perceptual", losses.perceptual);
  result.Set("kl", losses.kl);
  result.Set("adversarial", losses.adversarial);
  result.Set("adversarialWeight", losses.adversarial_weight);
  result.Set("discriminator", losses.discriminator);
  result.Set("losses", to_js(env, losses.per_sample));
  return result;
}

}  // namespace

Napi::Value AutoencoderTrainerObject::update_to_js(Napi::Env env, const AutoencoderUpdate& update) {
  auto result = Napi::Object::New(env);
  result.Set("gradientNorm", update.gradient_norm);
  result.Set("discriminatorGradientNorm", update.discriminator_gradient_norm);
  result.Set("skipped", update.skipped);
  result.Set("lossScale", update.loss_scale);
  return result;
}

Napi::Function AutoencoderTrainerObject::define(Napi::Env env) {
  auto methods = common_methods();
  methods.push_back(InstanceMethod<&AutoencoderTrainerObject::accumulate>("accumulate"));
  return DefineClass(env, kName, methods);
}

void AutoencoderTrainerObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createAutoencoderTrainer", Napi::Function::New<create_autoencoder_trainer>(env));
}

// accumulate(batch, { step, microSteps }, token)
Napi::Value AutoencoderTrainerObject::accumulate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Members position(info[1]);
    return start_trainer_job(
        info, 2,
        [trainer = payload(), batch = autoencoder_batch_argument(info[0]),
         step = position.integer("step"), micro_steps = position.integer("microSteps")] {
          return trainer->accumulate(batch, step, micro_steps);
        },
        autoencoder_losses_to_js);
  });
}

}  // namespace latentray::binding
