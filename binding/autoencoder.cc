#include "autoencoder.h"

#include "arguments.h"
#include "model_job.h"
#include "models/autoencoder_tiling.h"
#include "models/autoencoder_tiny_weights.h"
#include "models/pixels.h"
#include "models/random_init.h"
#include "noise_source.h"
#include "tensor.h"
#include "training/latent_scale.h"
#include "weights/checkpoint.h"

namespace latentray::binding {

namespace {

Napi::Value autoencoder_result(Napi::Env env, std::shared_ptr<Autoencoder> model) {
  return AutoencoderObject::create(env, std::move(model));
}

// loadAutoencoder(source, token)
Napi::Value load_autoencoder_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source] {
          return load_autoencoder(source.config(), source.state(Part::kVae), source.options);
        },
        autoencoder_result);
  });
}

// createAutoencoder(source without files, token, seed)
Napi::Value create_autoencoder_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source, seed = seed_argument(info[2], "seed")] {
          return create_autoencoder(source.config(), seed, source.options.device);
        },
        autoencoder_result);
  });
}

// loadTaesd(source, token): files are the encoder's and the decoder's
Napi::Value load_taesd_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ModelSource source(info);
    return start_job(
        info.Env(), "io", source.token,
        [source]() -> std::shared_ptr<Autoencoder> {
          return load_taesd(read_checkpoint(source.files.at(0)),
                            read_checkpoint(source.files.at(1)), source.options);
        },
        autoencoder_result);
  });
}

// { slicing: boolean, tileSize: number | null }
Pieces pieces_argument(const Napi::Value& value) {
  const auto options = value.As<Napi::Object>();
  Pieces pieces;
  pieces.slicing = options.Get("slicing").ToBoolean();
  const Napi::Value tile = options.Get("tileSize");
  if (!is_absent(tile)) {
    pieces.tiling = Tiling{static_cast<int64_t>(number_argument(tile, "tileSize"))};
  }
  return pieces;
}

Napi::Value distribution_to_js(Napi::Env env, const LatentDistribution& distribution) {
  auto result = Napi::Object::New(env);
  result.Set("mean", TensorObject::create(env, distribution.mean));
  if (distribution.logvar) result.Set("logvar", TensorObject::create(env, *distribution.logvar));
  return result;
}

// autoencoderEncode(autoencoder, pixels, pieces, token) → { mean, logvar? }
Napi::Value encode(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model}, cancel_token_argument(info[3]),
        [model, pixels = tensor_argument(info[1]), pieces = pieces_argument(info[2])] {
          return encode_in_pieces(*model, pixels, pieces);
        },
        distribution_to_js);
  });
}

// autoencoderDecode(autoencoder, latents, scaled, pieces, token): `scaled` latents are the
// diffusion model's
Napi::Value decode(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model}, cancel_token_argument(info[4]),
        [model, latents = tensor_argument(info[1]), scaled = info[2].ToBoolean().Value(),
         pieces = pieces_argument(info[3])] {
          const auto own = scaled ? model->latent_space().unscale(latents) : latents;
          return decode_in_pieces(*model, own, pieces);
        },
        tensor_to_js);
  });
}

// A conversion of pixels on the lane of its tensor: fn(tensor, token).
template <at::Tensor (*convert)(const at::Tensor&)>
Napi::Value pixel_conversion(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto pixels = tensor_argument(info[0]);
    return start_job(
        info.Env(), pixels.device().str(), cancel_token_argument(info[1]),
        [pixels] { return convert(pixels).to(at::kCPU); }, tensor_to_js);
  });
}

// scaleLatents(autoencoder, latents, token)
Napi::Value scale_latents(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model}, cancel_token_argument(info[2]),
        [model, latents = tensor_argument(info[1])] {
          return model->latent_space().scale(latents);
        },
        tensor_to_js);
  });
}

// setScalingFactor(autoencoder, factor, token): in line with what computes with it
Napi::Value set_scaling_factor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model}, cancel_token_argument(info[2]),
        [model, factor = number_argument(info[1], "factor")] {
          model->set_scaling_factor(factor);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

// latentSums(autoencoder, pixels, token) → { count, sum, sumOfSquares }
Napi::Value latent_sums_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return start_model_job(
        info.Env(), {model}, cancel_token_argument(info[2]),
        [model, pixels = tensor_argument(info[1])] { return latent_sums(model->encode(pixels)); },
        [](Napi::Env env, LatentSums sums) {
          auto result = Napi::Object::New(env);
          result.Set("count", sums.count);
          result.Set("sum", sums.sum);
          result.Set("sumOfSquares", sums.sum_of_squares);
          return result;
        });
  });
}

// sampleLatents(mean, logvar | null, noiseSource, token)
Napi::Value sample_latents(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto mean = tensor_argument(info[0]);
    LatentDistribution distribution(mean, mean.size(1));
    distribution.logvar = optional_tensor_argument(info[1]);
    return start_job(
        info.Env(), mean.device().str(), cancel_token_argument(info[3]),
        [distribution, noise = NoiseSourceObject::payload_of(info[2])] {
          return distribution.sample(*noise);
        },
        tensor_to_js);
  });
}

// autoencoderSave(autoencoder, path, dtype | null, token)
Napi::Value autoencoder_save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = AutoencoderObject::payload_of(info[0]);
    return save_model(info, lane_of(*model), [model] { return state_of(*model); });
  });
}

}  // namespace

Napi::Function AutoencoderObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&AutoencoderObject::device>("device"),
                      InstanceAccessor<&AutoencoderObject::dtype>("dtype"),
                      InstanceAccessor<&AutoencoderObject::latent_space>("latentSpace"),
                      InstanceAccessor("disposed", &AutoencoderObject::disposed, nullptr),
                      InstanceMethod("dispose", &AutoencoderObject::dispose)});
}

int64_t AutoencoderObject::bytes_of(const std::shared_ptr<Autoencoder>& model) {
  return parameter_bytes(*model);
}

void AutoencoderObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("createAutoencoder", Napi::Function::New<create_autoencoder_job>(env));
  exports.Set("loadAutoencoder", Napi::Function::New<load_autoencoder_job>(env));
  exports.Set("loadTaesd", Napi::Function::New<load_taesd_job>(env));
  exports.Set("autoencoderEncode", Napi::Function::New<encode>(env));
  exports.Set("autoencoderDecode", Napi::Function::New<decode>(env));
  exports.Set("autoencoderSave", Napi::Function::New<autoencoder_save>(env));
  exports.Set("pixelsToUnitRange", Napi::Function::New<pixel_conversion<to_unit_range>>(env));
  exports.Set("pixelsToBytes", Napi::Function::New<pixel_conversion<to_bytes>>(env));
  exports.Set("pixelsToGreyBytes", Napi::Function::New<pixel_conversion<to_grey_bytes>>(env));
  exports.Set("pixelsFromUnitRange", Napi::Function::New<pixel_conversion<from_unit_range>>(env));
  exports.Set("bytesToPixels", Napi::Function::New<pixel_conversion<from_bytes>>(env));
  exports.Set("setScalingFactor", Napi::Function::New<set_scaling_factor>(env));
  exports.Set("latentSums", Napi::Function::New<latent_sums_job>(env));
  exports.Set("scaleLatents", Napi::Function::New<scale_latents>(env));
  exports.Set("sampleLatents", Napi::Function::New<sample_latents>(env));
}

Napi::Value AutoencoderObject::device(const Napi::CallbackInfo& info) {
  return device_property(info.Env(), *payload());
}

Napi::Value AutoencoderObject::dtype(const Napi::CallbackInfo& info) {
  return dtype_property(info.Env(), *payload());
}

Napi::Value AutoencoderObject::latent_space(const Napi::CallbackInfo& info) {
  const LatentSpace& space = payload()->latent_space();
  auto result = Napi::Object::New(info.Env());
  result.Set("pixelChannels", static_cast<double>(space.pixel_channels));
  result.Set("latentChannels", static_cast<double>(space.latent_channels));
  result.Set("downscale", static_cast<double>(space.downscale));
  result.Set("scalingFactor", space.scaling_factor);
  result.Set("shiftFactor", space.shift_factor);
  result.Set("tileSize", static_cast<double>(space.tile_sample_min_size));
  return result;
}

}  // namespace latentray::binding
