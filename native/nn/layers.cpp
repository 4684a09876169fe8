#include "nn/layers.h"

#include <ATen/ATen.h>

#include "nn/placeholder.h"

namespace latentray::nn {

namespace {

// Multiplications below which a call of oneDNN costs more than it saves.
constexpr int64_t kOnednnLinearFloor = 1 << 20;

}  // namespace

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features, bool with_bias) {
  weight = register_parameter("weight", placeholder({out_features, in_features}), false);
  if (with_bias) bias = register_parameter("bias", placeholder({out_features}), false);
}

bool LinearImpl::runs_on_onednn(const Tensor& x) const {
  const bool worthwhile =
      x.scalar_type() == at::kFloat && x.numel() * weight.size(0) >= kOnednnLinearFloor;
  return worthwhile && onednn_serves(x, weight, bias);
}

Tensor LinearImpl::forward(const Tensor& x) {
  const Tensor y = runs_on_onednn(x) ? onednn_linear(x, weight, bias) : at::linear(x, weight, bias);
  if (!low_rank.is_active()) return y;
  return low_rank.add(y, [&](const LowRank& entry) {
    return at::linear(at::linear(x.to(entry.down.scalar_type()), entry.down), entry.up);
  });
}

Tensor LinearImpl::forward_gelu(const Tensor& x) {
  const bool fusible = runs_on_onednn(x) && !low_rank.is_active();
  return fusible ? onednn_linear(x, weight, bias, /*gelu=*/true) : at::gelu(forward(x));
}

Conv2dImpl::Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel_size,
                       int64_t stride, int64_t padding, bool with_bias)
    : stride_(stride), padding_(padding) {
  weight = register_parameter(
      "weight", placeholder({out_channels, in_channels, kernel_size, kernel_size}), false);
  if (with_bias) bias = register_parameter("bias", placeholder({out_channels}), false);
}

Tensor Conv2dImpl::forward(const Tensor& x) {
  const Tensor y = convolve(x);
  if (!low_rank.is_active()) return y;
  return low_rank.add(y, [&](const LowRank& entry) {
    const Tensor down = at::conv2d(x.to(entry.down.scalar_type()), entry.down, {},
                                   {stride_, stride_}, {padding_, padding_});  // [N, rank, H, W]
    return at::conv2d(down, entry.up);
  });
}

Tensor Conv2dImpl::convolve(const Tensor& x) {
  if (onednn_serves(x, weight, bias)) {
    return onednn_conv2d(x, packed_weight_.get(weight), bias, stride_, padding_);
  }
  // What oneDNN gave above may lie in channels last, for which LibTorch would reorder the weight at
  // every call.
  const Tensor input = x.is_cpu() ? x.contiguous() : x;
  return at::conv2d(input, weight, bias, {stride_, stride_}, {padding_, padding_});
}

GroupNormImpl::GroupNormImpl(int64_t num_groups, int64_t num_channels, double eps)
    : num_groups_(num_groups), eps_(eps) {
  weight = register_parameter("weight", placeholder({num_channels}), false);
  bias = register_parameter("bias", placeholder({num_channels}), false);
}

Tensor GroupNormImpl::forward(const Tensor& x) {
  return at::group_norm(x, num_groups_, weight, bias, eps_);
}

LayerNormImpl::LayerNormImpl(int64_t features, double eps) : eps_(eps) {
  weight = register_parameter("weight", placeholder({features}), false);
  bias = register_parameter("bias", placeholder({features}), false);
}

Tensor LayerNormImpl::forward(const Tensor& x) {
  return at::layer_norm(x, {weight.size(0)}, weight, bias, eps_);
}

EmbeddingImpl::EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim) {
  weight = register_parameter("weight", placeholder({num_embeddings, embedding_dim}), false);
}

Tensor EmbeddingImpl::forward(const Tensor& ids) {
  const Tensor embedded = at::embedding(weight, ids);
  return learned_rows.empty() ? embedded : learned_rows.put_into(embedded, ids);
}

int64_t packed_bytes(const torch::nn::Module& module) {
  const auto* conv = dynamic_cast<const Conv2dImpl*>(&module);
  int64_t bytes = conv != nullptr ? conv->packed_bytes() : 0;
  for (const auto& child : module.children()) bytes += packed_bytes(*child);
  return bytes;
}

}  // namespace latentray::nn
