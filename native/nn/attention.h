// Multi-head attention over tokens. Vaswani et al., "Attention Is All You Need" (2017). Checked
// against diffusers' models/attention_processor.py, Attention with AttnProcessor2_0.
#pragma once

#include <optional>

#include "nn/layers.h"

namespace latentray::nn {

struct AttentionOptions {
  int64_t query_dim;
  // Width of the tokens attended to; unset is self-attention.
  std::optional<int64_t> cross_attention_dim;
  int64_t heads = 8;
  int64_t dim_head = 64;
  // Whether the query, key and value projections have a bias.
  bool bias = false;
};

// Scores and softmax are float32 in every dtype (SDPA's kernels accumulate so), which is what
// Stable Diffusion 2's `upcast_attention` asks for.
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const AttentionOptions& options);

  // x [N, T, query_dim], context [N, L, cross_attention_dim] → [N, T, query_dim]. `bias` is added
  // to the scores and broadcasts to [N, heads, T, L].
  Tensor forward(const Tensor& x, const std::optional<Tensor>& context = std::nullopt,
                 const std::optional<Tensor>& bias = std::nullopt);

 private:
  Tensor split_heads(const Tensor& tokens) const;

  int64_t heads_;
  Linear to_q_{nullptr};
  Linear to_k_{nullptr};
  Linear to_v_{nullptr};
  Linear to_out_{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace latentray::nn
