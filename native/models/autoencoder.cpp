#include "models/autoencoder.h"

#include <ATen/ATen.h>

#include "core/device.h"
#include "core/dtype.h"
#include "models/autoencoder_kl.h"
#include "models/autoencoder_tiny.h"
#include "nn/module_parameters.h"

namespace latentray {

using at::Tensor;

LatentDistribution::LatentDistribution(const Tensor& moments, int64_t latent_channels)
    : mean(moments) {
  if (moments.size(1) == latent_channels) return;
  mean = moments.narrow(1, 0, latent_channels);
  logvar = moments.narrow(1, latent_channels, latent_channels).clamp(-30.0, 20.0);
}

Tensor LatentDistribution::sample(NoiseSource& noise) const {
  if (!logvar) return mean;
  return mean + (0.5 * *logvar).exp() * noise.randn(mean.sizes(), mean.options());
}

namespace {

Tensor per_channel(const std::vector<double>& values, const Tensor& like) {
  return at::tensor(values, at::kDouble).to(like.options()).view({1, -1, 1, 1});
}

}  // namespace

Tensor LatentSpace::scale(const Tensor& latents) const {
  auto scaled = latents;
  if (!latents_mean.empty()) scaled = scaled - per_channel(latents_mean, latents);
  if (shift_factor != 0.0) scaled = scaled - shift_factor;
  scaled = scaled * scaling_factor;
  return latents_std.empty() ? scaled : scaled / per_channel(latents_std, latents);
}

Tensor LatentSpace::unscale(const Tensor& latents) const {
  auto unscaled = latents;
  if (!latents_std.empty()) unscaled = unscaled * per_channel(latents_std, latents);
  unscaled = unscaled / scaling_factor;
  if (shift_factor != 0.0) unscaled = unscaled + shift_factor;
  return latents_mean.empty() ? unscaled : unscaled + per_channel(latents_mean, latents);
}

LatentDistribution Autoencoder::encode(const Tensor& pixels) {
  return LatentDistribution(encode_moments(pixels), latent_space().latent_channels);
}

Tensor Autoencoder::encode_moments(const Tensor& pixels) {
  check_pixels(pixels);
  return compute_moments(pixels).contiguous();
}

Tensor Autoencoder::decode(const Tensor& latents) {
  check_latents(latents);
  return compute_pixels(latents).contiguous();
}

void Autoencoder::set_scaling_factor(double) {
  throw Error("ERR_INVALID_ARG",
              "scalingFactor: only an AutoencoderKL's can be set, from latents it was measured on");
}

void Autoencoder::check_pixels(const Tensor& pixels) const {
  check_input("pixels", pixels, latent_space().pixel_channels);
  const int64_t step = latent_space().downscale;
  LATENTRAY_CHECK(pixels.size(2) % step == 0 && pixels.size(3) % step == 0, "ERR_SHAPE",
                  "pixels: expected height and width to be multiples of ", step, ", found ",
                  pixels.size(2), " × ", pixels.size(3));
}

void Autoencoder::check_latents(const Tensor& latents) const {
  check_input("latents", latents, latent_space().latent_channels);
}

void Autoencoder::check_input(const char* name, const Tensor& input, int64_t channels) const {
  LATENTRAY_CHECK(input.dim() == 4 && input.size(1) == channels && input.numel() > 0, "ERR_SHAPE",
                  name, ": expected [images, ", channels, ", height, width], found ",
                  input.sizes());
  const Tensor weight = nn::first_parameter(*this);
  LATENTRAY_CHECK(input.scalar_type() == weight.scalar_type(), "ERR_DTYPE", name, ": expected ",
                  dtype_name(weight.scalar_type()), " (the autoencoder's), found ",
                  dtype_name(input.scalar_type()));
  LATENTRAY_CHECK(input.device() == weight.device(), "ERR_INVALID_ARG", name, ": expected on ",
                  device_name(weight.device()), " (the autoencoder's device), found on ",
                  device_name(input.device()));
}

std::shared_ptr<Autoencoder> make_autoencoder(const Config& config) {
  const std::string name = config.string("_class_name", "");
  if (name == "AutoencoderKL") {
    return std::make_shared<AutoencoderKLImpl>(AutoencoderKLOptions::from_config(config));
  }
  if (name == "AutoencoderTiny") {
    return std::make_shared<AutoencoderTinyImpl>(AutoencoderTinyOptions::from_config(config));
  }
  config.reject("_class_name", "'AutoencoderKL' or 'AutoencoderTiny'");
}

std::shared_ptr<Autoencoder> load_autoencoder(const Config& config, StateDict state,
                                              const LoadOptions& options) {
  auto model = make_autoencoder(config);
  if (config.string("_class_name", "") == "AutoencoderKL")
    state = autoencoder_kl_keys(std::move(state));
  load_state_dict(*model, state, options);
  if (options.device.is_cuda()) nn::use_channels_last(*model);
  model->eval();
  return model;
}

}  // namespace latentray
