// What every autoencoder is to its callers: images to latents and back, whichever architecture a
// folder holds. Pixels are in [-1, 1]; latents are the model's own, unscaled.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <optional>
#include <vector>

#include "core/config.h"
#include "core/seeded_noise.h"
#include "weights/state_dict.h"

namespace latentray {

// What an encoder says of an image's latents: a diagonal Gaussian, or one point (no logvar).
struct LatentDistribution {
  // moments [N, latent_channels or twice as many, h, w]: the mean, then the logarithm of the
  // variance, which is kept within [-30, 20].
  LatentDistribution(const at::Tensor& moments, int64_t latent_channels);

  // A point draws nothing from `noise`.
  at::Tensor sample(NoiseSource& noise) const;

  at::Tensor mean;
  std::optional<at::Tensor> logvar;
};

// An autoencoder's latents, and how a diffusion model sees them.
struct LatentSpace {
  int64_t pixel_channels = 3;
  int64_t latent_channels = 4;
  int64_t downscale = 8;  // pixels a latent, along each side
  double scaling_factor = 1.0;
  double shift_factor = 0.0;
  std::vector<double> latents_mean;  // one a channel, or none
  std::vector<double> latents_std;
  // The published advice to compute in float32 what would run in float16; callers act on it.
  bool force_upcast = false;
  // The side in pixels above which tiling begins, and of a tile.
  int64_t tile_sample_min_size = 512;

  // The autoencoder's latents → the diffusion model's, and back.
  at::Tensor scale(const at::Tensor& latents) const;
  at::Tensor unscale(const at::Tensor& latents) const;
};

class Autoencoder : public torch::nn::Module {
 public:
  // pixels [N, C, H, W] → a distribution over [N, latent_channels, H / downscale, W / downscale].
  // ERR_SHAPE when H or W is no multiple of downscale: the image could not be restored to its size.
  LatentDistribution encode(const at::Tensor& pixels);

  // The encoder's own output, which tiles are blended in.
  at::Tensor encode_moments(const at::Tensor& pixels);

  // latents [N, latent_channels, h, w] → pixels [N, C, h · downscale, w · downscale], not clamped.
  at::Tensor decode(const at::Tensor& latents);

  virtual const LatentSpace& latent_space() const = 0;

  // Between computations. ERR_INVALID_ARG where the architecture's factor is fixed.
  virtual void set_scaling_factor(double factor);

  // What encode and decode accept: ERR_SHAPE, ERR_DTYPE or ERR_INVALID_ARG (another device).
  void check_pixels(const at::Tensor& pixels) const;
  void check_latents(const at::Tensor& latents) const;

 protected:
  virtual at::Tensor compute_moments(const at::Tensor& pixels) = 0;
  virtual at::Tensor compute_pixels(const at::Tensor& latents) = 0;

 private:
  void check_input(const char* name, const at::Tensor& input, int64_t channels) const;
};

// The autoencoder that `config` ("_class_name") describes, its weights uninitialised.
std::shared_ptr<Autoencoder> make_autoencoder(const Config& config);

// The same with the weights of `state`, old key names included, in evaluation mode.
std::shared_ptr<Autoencoder> load_autoencoder(const Config& config, StateDict state,
                                              const LoadOptions& options);

}  // namespace latentray
