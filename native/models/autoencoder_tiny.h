// The tiny distilled autoencoders that share their latents with a larger one (TAESD for Stable
// Diffusion, TAEF2 for FLUX.2). Ollin Boer Bohan, github.com/madebyollin/taesd. Checked against
// taesd.py there and against diffusers' models/autoencoders/autoencoder_tiny.py and vae.py
// (EncoderTiny, DecoderTiny).
#pragma once

#include <functional>
#include <vector>

#include "models/autoencoder.h"
#include "nn/activation.h"
#include "nn/layers.h"

namespace latentray {

// config.json's keys with AutoencoderTiny's defaults.
struct AutoencoderTinyOptions {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t channels = 64;  // of every level: encoder_block_out_channels, decoder_block_out_channels
  std::vector<int64_t> num_encoder_blocks = {1, 3, 3, 3};
  std::vector<int64_t> num_decoder_blocks = {3, 3, 3, 1};
  std::string act_fn = "relu";
  // Latents in ±latent_magnitude, moved by latent_shift, are what TAESD stores as bytes.
  double latent_magnitude = 3.0;
  double latent_shift = 0.5;
  // Not a key of diffusers, which has no such model: TAEF2's normalised branch in the blocks at the
  // lowest resolution. Named as in taesd.py.
  bool use_midblock_gn = false;
  // latent_channels, scaling_factor, shift_factor, force_upcast.
  LatentSpace latent_space;

  static AutoencoderTinyOptions from_config(const Config& config);

  // The config.json that from_config reads these options from.
  nlohmann::json to_json() const;
};

// Three 3×3 convolutions around a shortcut; with `pooled`, after a wide normalised 1×1 branch.
class AutoencoderTinyBlockImpl : public torch::nn::Module {
 public:
  AutoencoderTinyBlockImpl(int64_t channels, nn::Activation activation, bool pooled);
  at::Tensor forward(const at::Tensor& x);

 private:
  at::Tensor pool(const at::Tensor& x);

  nn::Activation activation_;
  nn::Conv2d conv0_, conv2_, conv4_;
  nn::Conv2d widen_{nullptr};
  nn::GroupNorm norm_{nullptr};
  nn::Conv2d narrow_{nullptr};
};
TORCH_MODULE(AutoencoderTinyBlock);

// A chain in which steps without parameters have a number too, so that keys are the published ones.
class TinyLayersImpl : public torch::nn::Module {
 public:
  template <class Layer>
  void push_back(Layer layer) {
    register_module(std::to_string(steps_.size()), layer);
    steps_.push_back([layer](const at::Tensor& x) mutable { return layer(x); });
  }
  void push_back_function(std::function<at::Tensor(const at::Tensor&)> function) {
    steps_.push_back(std::move(function));
  }
  at::Tensor forward(const at::Tensor& x);

 private:
  std::vector<std::function<at::Tensor(const at::Tensor&)>> steps_;
};
TORCH_MODULE(TinyLayers);

class EncoderTinyImpl : public torch::nn::Module {
 public:
  explicit EncoderTinyImpl(const AutoencoderTinyOptions& options);
  at::Tensor forward(const at::Tensor& pixels);

 private:
  TinyLayers layers_;
};
TORCH_MODULE(EncoderTiny);

class DecoderTinyImpl : public torch::nn::Module {
 public:
  explicit DecoderTinyImpl(const AutoencoderTinyOptions& options);
  at::Tensor forward(const at::Tensor& latents);

 private:
  TinyLayers layers_;
};
TORCH_MODULE(DecoderTiny);

class AutoencoderTinyImpl : public Autoencoder {
 public:
  explicit AutoencoderTinyImpl(const AutoencoderTinyOptions& options);

  const LatentSpace& latent_space() const override { return options_.latent_space; }
  const AutoencoderTinyOptions& options() const { return options_; }

 protected:
  at::Tensor compute_moments(const at::Tensor& pixels) override;
  at::Tensor compute_pixels(const at::Tensor& latents) override;

 private:
  AutoencoderTinyOptions options_;
  EncoderTiny encoder_;
  DecoderTiny decoder_;
};
TORCH_MODULE(AutoencoderTiny);

}  // namespace latentray
