// The transformer between a U-Net's residual blocks: every pixel attends to every pixel, then to
// the text. Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022),
// section 3.3. Checked against diffusers' models/transformers/transformer_2d.py,
// models/attention.py and models/activations.py (Transformer2DModel, BasicTransformerBlock,
// FeedForward, GEGLU).
#pragma once

#include <optional>

#include "nn/attention.h"
#include "nn/layers.h"
#include "nn/module_list.h"

namespace latentray::nn {

// What the image attends to.
struct CrossAttentionInput {
  Tensor encoder_hidden_states;  // [N, L, D]
  // Added to the scores: [N, 1, 1, L], 0 where attended to.
  std::optional<Tensor> bias;
};

// GELU-gated linear unit: Shazeer, "GLU Variants Improve Transformer" (2020).
class GEGLUImpl : public torch::nn::Module {
 public:
  GEGLUImpl(int64_t dim_in, int64_t dim_out);
  Tensor forward(const Tensor& x);

 private:
  Linear proj_;
};
TORCH_MODULE(GEGLU);

class FeedForwardImpl : public torch::nn::Module {
 public:
  explicit FeedForwardImpl(int64_t dim);
  Tensor forward(const Tensor& x);

 private:
  GEGLU expand_{nullptr};
  Linear contract_{nullptr};
};
TORCH_MODULE(FeedForward);

struct TransformerOptions {
  int64_t channels;
  int64_t heads;
  int64_t cross_attention_dim;
  int64_t num_layers = 1;
  int64_t norm_num_groups = 32;
  // Linear projections around the blocks (SD 2.x) in place of 1×1 convolutions (SD 1.x).
  bool use_linear_projection = false;
  // The first attention of each block, too, attends to the text.
  bool only_cross_attention = false;
};

class BasicTransformerBlockImpl : public torch::nn::Module {
 public:
  explicit BasicTransformerBlockImpl(const TransformerOptions& options);

  // x [N, T, channels] → the same shape
  Tensor forward(const Tensor& x, const CrossAttentionInput& text);

 private:
  bool only_cross_attention_;
  LayerNorm norm1_;
  Attention attn1_;
  LayerNorm norm2_;
  Attention attn2_;
  LayerNorm norm3_;
  FeedForward ff_;
};
TORCH_MODULE(BasicTransformerBlock);

class Transformer2DModelImpl : public torch::nn::Module {
 public:
  explicit Transformer2DModelImpl(const TransformerOptions& options);

  // x [N, channels, H, W] → the same shape
  Tensor forward(const Tensor& x, const CrossAttentionInput& text);

 private:
  GroupNorm norm_;
  // One pair of the two, by `use_linear_projection`.
  Conv2d conv_in_{nullptr};
  Conv2d conv_out_{nullptr};
  Linear linear_in_{nullptr};
  Linear linear_out_{nullptr};
  TypedModuleList<BasicTransformerBlock> transformer_blocks_;
};
TORCH_MODULE(Transformer2DModel);

}  // namespace latentray::nn
