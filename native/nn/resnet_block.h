// The residual block of diffusion U-Nets and their autoencoders: two normalised 3×3 convolutions
// around the time embedding, and a shortcut. Ho et al., "Denoising Diffusion Probabilistic Models"
// (2020), appendix B. Checked against diffusers' models/resnet.py, ResnetBlock2D.
#pragma once

#include <optional>

#include "nn/layers.h"

namespace latentray::nn {

class ResnetBlock2DImpl : public torch::nn::Module {
 public:
  // Without `temb_channels` the block takes no time embedding (autoencoders). The sum with the
  // shortcut is divided by `output_scale_factor`.
  ResnetBlock2DImpl(int64_t in_channels, int64_t out_channels, std::optional<int64_t> temb_channels,
                    int64_t groups, double eps, double output_scale_factor = 1.0);

  // x [N, in, H, W], temb [N, temb_channels] → [N, out, H, W]
  Tensor forward(const Tensor& x, const std::optional<Tensor>& temb = std::nullopt);

 private:
  double output_scale_factor_;
  GroupNorm norm1_;
  Conv2d conv1_;
  Linear time_emb_proj_{nullptr};
  GroupNorm norm2_;
  Conv2d conv2_;
  Conv2d conv_shortcut_{nullptr};  // only where the channel count changes
};
TORCH_MODULE(ResnetBlock2D);

}  // namespace latentray::nn
