// The variational autoencoder of latent diffusion.
// Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022),
// section 3.1. Checked against diffusers' models/autoencoders/autoencoder_kl.py and vae.py
// (Encoder, Decoder).
#pragma once

#include "models/autoencoder.h"
#include "models/autoencoder_kl_blocks.h"

namespace latentray {

// config.json's keys with AutoencoderKL's defaults.
struct AutoencoderKLOptions {
  int64_t in_channels;
  int64_t out_channels;
  std::vector<int64_t> block_out_channels;
  int64_t layers_per_block;
  int64_t norm_num_groups;
  bool use_quant_conv;
  bool use_post_quant_conv;
  bool mid_block_add_attention;
  // latent_channels, scaling_factor, shift_factor, latents_mean, latents_std, force_upcast,
  // sample_size.
  LatentSpace latent_space;

  static AutoencoderKLOptions from_config(const Config& config);
};

// Older files name the attention's parameters query, key, value and proj_attn, and some hold their
// weights as 1×1 convolutions.
StateDict autoencoder_kl_keys(StateDict state);

class VaeEncoderImpl : public torch::nn::Module {
 public:
  explicit VaeEncoderImpl(const AutoencoderKLOptions& options);
  at::Tensor forward(const at::Tensor& pixels);

 private:
  nn::Conv2d conv_in_;
  nn::TypedModuleList<DownEncoderBlock2D> down_blocks_;
  VaeMidBlock mid_block_;
  nn::GroupNorm conv_norm_out_;
  nn::Conv2d conv_out_;
};
TORCH_MODULE(VaeEncoder);

class VaeDecoderImpl : public torch::nn::Module {
 public:
  explicit VaeDecoderImpl(const AutoencoderKLOptions& options);
  at::Tensor forward(const at::Tensor& latents);

 private:
  nn::Conv2d conv_in_;
  VaeMidBlock mid_block_;
  nn::TypedModuleList<UpDecoderBlock2D> up_blocks_;
  nn::GroupNorm conv_norm_out_;
  nn::Conv2d conv_out_;
};
TORCH_MODULE(VaeDecoder);

class AutoencoderKLImpl : public Autoencoder {
 public:
  explicit AutoencoderKLImpl(const AutoencoderKLOptions& options);

  const LatentSpace& latent_space() const override { return options_.latent_space; }
  void set_scaling_factor(double factor) override { options_.latent_space.scaling_factor = factor; }

 protected:
  at::Tensor compute_moments(const at::Tensor& pixels) override;
  at::Tensor compute_pixels(const at::Tensor& latents) override;

 private:
  AutoencoderKLOptions options_;
  VaeEncoder encoder_;
  VaeDecoder decoder_;
  nn::Conv2d quant_conv_{nullptr};
  nn::Conv2d post_quant_conv_{nullptr};
};
TORCH_MODULE(AutoencoderKL);

}  // namespace latentray
