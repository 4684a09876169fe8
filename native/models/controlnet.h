// A network that steers a U-Net by an image of structure (edges, a segmentation): a copy of the
// U-Net's way down whose outputs are added to the U-Net's skips and middle. Zhang et al., "Adding
// Conditional Control to Text-to-Image Diffusion Models" (2023). Checked against diffusers'
// models/controlnets/controlnet.py.
#pragma once

#include <optional>
#include <vector>

#include "models/unet_encoder.h"
#include "weights/state_dict.h"

namespace latentray {

struct ControlNetOptions {
  UNet2DConditionOptions encoder;  // what it has in common with the U-Net
  int64_t conditioning_channels;
  // Widths of the layers that bring the image to the latents' size; each but the first halves it.
  std::vector<int64_t> conditioning_embedding_out_channels;
  bool bgr;  // the image's channels are swapped first

  // The published config.json; what it does not say takes ControlNetModel's defaults.
  // ERR_CONFIG_INVALID names a key whose value this library does not implement.
  static ControlNetOptions from_config(const Config& config);

  // Pixels a latent, along each side.
  int64_t downscale() const;
};

// How strongly a ControlNet steers.
struct ControlStrength {
  double scale = 1;
  // Steering without a prompt: the residuals grow from a tenth of `scale` at the first skip to all
  // of it in the middle, in equal ratios.
  bool guess_mode = false;
};

// What is added to a U-Net's skips, in their order, and to its middle.
struct ControlResiduals {
  std::vector<Tensor> down;
  Tensor mid;
};

class ControlNetConditioningEmbeddingImpl : public torch::nn::Module {
 public:
  ControlNetConditioningEmbeddingImpl(int64_t out_channels, const ControlNetOptions& options);

  // image [N, conditioning_channels, H, W] → [N, out_channels, H / downscale, W / downscale]
  Tensor forward(const Tensor& image);

 private:
  nn::Conv2d conv_in_;
  nn::TypedModuleList<nn::Conv2d> blocks_;
  nn::Conv2d conv_out_;
};
TORCH_MODULE(ControlNetConditioningEmbedding);

class ControlNetModelImpl : public UNetEncoderImpl {
 public:
  explicit ControlNetModelImpl(const ControlNetOptions& options);

  // sample [N, in, h, w]; timestep [], [1] or [N]; encoder_hidden_states [N, L,
  // cross_attention_dim]; image [N, conditioning_channels, h · downscale, w · downscale] in [0, 1].
  ControlResiduals forward(const Tensor& sample, const Tensor& timestep,
                           const Tensor& encoder_hidden_states, const Tensor& image,
                           const ControlStrength& strength = {},
                           const std::optional<Tensor>& encoder_attention_mask = std::nullopt);

  const ControlNetOptions& control_options() const { return control_options_; }

 private:
  void check_image(const Tensor& image, const Tensor& sample) const;

  ControlNetOptions control_options_;
  ControlNetConditioningEmbedding controlnet_cond_embedding_;
  nn::TypedModuleList<nn::Conv2d> controlnet_down_blocks_;
  nn::Conv2d controlnet_mid_block_;
};
TORCH_MODULE(ControlNetModel);

// In evaluation mode. The errors of ControlNetOptions::from_config and of load_state_dict.
ControlNetModel load_controlnet(const Config& config, const StateDict& state,
                                const LoadOptions& options);

}  // namespace latentray
