// The half of a U-Net that a ControlNet has too: what it knows of the step and the text, the levels
// on the way down, and the middle. Checked against diffusers' models/unets/unet_2d_condition.py and
// models/controlnets/controlnet.py.
#pragma once

#include <optional>
#include <vector>

#include "models/unet_blocks.h"
#include "models/unet_options.h"
#include "nn/time_embedding.h"

namespace latentray {

UNetLevelOptions unet_level_options(const UNet2DConditionOptions& options, size_t level,
                                    bool cross_attention);

class UNetEncoderImpl : public torch::nn::Module {
 public:
  const UNet2DConditionOptions& options() const { return options_; }

  // Whether residual blocks and transformers are computed again in the backward pass, in place of
  // keeping what they computed. Nothing changes where no gradients are recorded.
  void set_gradient_checkpointing(bool active) { gradient_checkpointing_ = active; }

 protected:
  explicit UNetEncoderImpl(const UNet2DConditionOptions& options);

  // ERR_SHAPE or ERR_DTYPE naming the input that does not fit.
  void check_inputs(const Tensor& sample, const Tensor& timestep,
                    const Tensor& encoder_hidden_states,
                    const std::optional<Tensor>& encoder_attention_mask) const;

  UNetContext embed(const Tensor& sample, const Tensor& timestep,
                    const Tensor& encoder_hidden_states,
                    const std::optional<Tensor>& encoder_attention_mask,
                    const std::optional<Tensor>& timestep_cond = std::nullopt);

  // hidden [N, channels[0], H, W] → the lowest level's [N, channels[-1], h, w]. Leaves `hidden` and
  // every layer's output in `skips`.
  Tensor descend(Tensor hidden, const UNetContext& context, std::vector<Tensor>& skips);

  UNet2DConditionOptions options_;
  nn::Conv2d conv_in_;
  nn::TimestepEmbedding time_embedding_;
  nn::TypedModuleList<UNetDownBlock2D> down_blocks_;
  UNetMidBlock2DCrossAttn mid_block_{nullptr};

 private:
  bool gradient_checkpointing_ = false;
};

}  // namespace latentray
