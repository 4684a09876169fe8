#include "autoencoder_trainer.h"

#include "arguments.h"
#include "autoencoder.h"
#include "core/dtype.h"
#include "model_job.h"
#include "process_group.h"
#include "tensor.h"
#include "weights/checkpoint.h"
#include "weights/safetensors.h"

namespace latentray::binding {

namespace {

// Reads the members of an options object.
class Members {
 public:
  explicit Members(const Napi::Value& value) : object_(value.As<Napi::Object>()) {}
  double number(const char* name) const { return number_argument(object_.Get(name), name); }
  int64_t integer(const char* name) const { return static_cast<int64_t>(number(name)); }
  bool flag(const char* name) const { return object_.Get(name).ToBoolean(); }
  std::string text(const char* name) const { return string_argument(object_.Get(name), name); }
  Napi::Value get(const char* name) const { return object_.Get(name); }
  bool has(const char* name) const { return !is_absent(object_.Get(name)); }

 private:
  Napi::Object object_;
};

OptimizerOptions optimizer_argument(const Napi::Value& value) {
  const Members members(value);
  OptimizerOptions options;
  options.name = members.text("name");
  const auto betas = numbers_argument(members.get("betas"), "betas");
  options.beta1 = betas.at(0);
  options.beta2 = betas.at(1);
  options.eps = members.number("eps");
  options.weight_decay = members.number("weightDecay");
  options.momentum = members.number("momentum");
  return options;
}

EmaOptions ema_argument(const Napi::Value& value) {
  const Members members(value);
  EmaOptions options;
  options.decay = members.number("decay");
  if (members.has("invGamma")) options.inv_gamma = members.number("invGamma");
  if (members.has("power")) options.power = members.number("power");
  return options;
}

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
  bool lossless = true;
  options.seed = members.get("seed").As<Napi::BigInt>().Uint64Value(&lossless);
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
AutoencoderBatch batch_argument(const Napi::Value& value) {
  const Members members(value);
  AutoencoderBatch batch;
  batch.pixels = tensor_argument(members.get("pixels"));
  for (const double number : numbers_argument(members.get("sampleNumbers"), "sampleNumbers")) {
    batch.sample_numbers.push_back(static_cast<uint64_t>(number));
  }
  batch.noise = optional_tensor_argument(members.get("noise"));
  return batch;
}

Napi::Value losses_to_js(Napi::Env env, const AutoencoderLosses& losses) {
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

Napi::Value update_to_js(Napi::Env env, const AutoencoderUpdate& update) {
  auto result = Napi::Object::New(env);
  result.Set("gradientNorm", update.gradient_norm);
  result.Set("discriminatorGradientNorm", update.discriminator_gradient_norm);
  result.Set("skipped", update.skipped);
  result.Set("lossScale", update.loss_scale);
  return result;
}

// Jobs of one trainer run in line with everything else that its model does.
template <class Compute, class Convert>
Napi::Value trainer_job(const std::shared_ptr<AutoencoderTrainer>& trainer,
                        const Napi::CallbackInfo& info, size_t token, Compute compute,
                        Convert convert) {
  return start_model_job(info.Env(), {trainer->model()}, cancel_token_argument(info[token]),
                         std::move(compute), std::move(convert));
}

Napi::Value undefined(Napi::Env env, bool) { return env.Undefined(); }

}  // namespace

Napi::Function AutoencoderTrainerObject::define(Napi::Env env) {
  using Self = AutoencoderTrainerObject;
  return DefineClass(
      env, kName,
      {InstanceMethod<&Self::accumulate>("accumulate"), InstanceMethod<&Self::update>("update"),
       InstanceMethod<&Self::gradients>("gradients"),
       InstanceMethod<&Self::use_average>("useAverage"),
       InstanceMethod<&Self::save_state>("saveState"),
       InstanceMethod<&Self::load_state>("loadState"),
       InstanceAccessor("disposed", &Self::disposed, nullptr),
       InstanceMethod("dispose", &Self::dispose)});
}

void AutoencoderTrainerObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createAutoencoderTrainer", Napi::Function::New<create_autoencoder_trainer>(env));
}

// accumulate(batch, { step, microSteps }, token)
Napi::Value AutoencoderTrainerObject::accumulate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Members position(info[1]);
    return trainer_job(
        payload(), info, 2,
        [trainer = payload(), batch = batch_argument(info[0]), step = position.integer("step"),
         micro_steps = position.integer("microSteps")] {
          return trainer->accumulate(batch, step, micro_steps);
        },
        losses_to_js);
  });
}

// update(learningRate, token)
Napi::Value AutoencoderTrainerObject::update(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return trainer_job(
        payload(), info, 1,
        [trainer = payload(), rate = number_argument(info[0], "learningRate")] {
          return trainer->update(rate);
        },
        update_to_js);
  });
}

// gradients(token) → copies of the step's gradients so far, by parameter
Napi::Value AutoencoderTrainerObject::gradients(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return trainer_job(
        payload(), info, 0,
        [trainer = payload()] {
          NamedParameters gradients;
          for (const auto& [name, parameter] : trainer->parameters()) {
            if (parameter.grad().defined()) gradients.emplace_back(name, parameter.grad().clone());
          }
          return gradients;
        },
        [](Napi::Env env, const NamedParameters& gradients) {
          auto result = Napi::Object::New(env);
          for (const auto& [name, gradient] : gradients) {
            result.Set(name, TensorObject::create(env, gradient));
          }
          return result;
        });
  });
}

// useAverage(whether, token)
Napi::Value AutoencoderTrainerObject::use_average(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return trainer_job(
        payload(), info, 1,
        [trainer = payload(), average = info[0].ToBoolean().Value()] {
          trainer->use_average(average);
          return true;
        },
        undefined);
  });
}

// saveState(path, token)
Napi::Value AutoencoderTrainerObject::save_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return trainer_job(
        payload(), info, 1,
        [trainer = payload(), path = string_argument(info[0], "path")] {
          write_safetensors(path, trainer->state());
          return true;
        },
        undefined);
  });
}

// loadState(path, token)
Napi::Value AutoencoderTrainerObject::load_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return trainer_job(
        payload(), info, 1,
        [trainer = payload(), path = string_argument(info[0], "path")] {
          trainer->load_state(read_safetensors(path));
          return true;
        },
        undefined);
  });
}

}  // namespace latentray::binding
