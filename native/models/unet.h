// The conditional U-Net of latent diffusion: predicts the noise (or the velocity) in latents, given
// the timestep and the text. Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion
// Models" (2022). Checked against diffusers' models/unets/unet_2d_condition.py.
#pragma once

#include <optional>
#include <vector>

#include "models/unet_encoder.h"

namespace latentray {

struct UNetConditions {
  // [N, L] of bool or integers; a token with 0 is not attended to.
  std::optional<Tensor> encoder_attention_mask;
  // [N, time_cond_proj_dim]: the guidance scale's embedding in latent consistency models.
  std::optional<Tensor> timestep_cond;
  // A ControlNet's outputs, of the shapes of the skips and of the middle block's output: both or
  // neither.
  std::vector<Tensor> down_block_additional_residuals;
  std::optional<Tensor> mid_block_additional_residual;
};

class UNet2DConditionModelImpl : public UNetEncoderImpl {
 public:
  explicit UNet2DConditionModelImpl(const UNet2DConditionOptions& options);

  // sample [N, in, H, W], of any size; timestep [], [1] or [N]; encoder_hidden_states
  // [N, L, cross_attention_dim] → [N, out, H, W]
  Tensor forward(const Tensor& sample, const Tensor& timestep, const Tensor& encoder_hidden_states,
                 const UNetConditions& conditions = {});

 private:
  void check_conditions(const UNetConditions& conditions, int64_t batch) const;

  nn::TypedModuleList<UNetUpBlock2D> up_blocks_;
  nn::GroupNorm conv_norm_out_;
  nn::Conv2d conv_out_;
};
TORCH_MODULE(UNet2DConditionModel);

}  // namespace latentray
