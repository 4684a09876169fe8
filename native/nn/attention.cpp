#include "nn/attention.h"

#include <ATen/ATen.h>

namespace latentray::nn {

AttentionImpl::AttentionImpl(const AttentionOptions& options) : heads_(options.heads) {
  const int64_t inner_dim = options.heads * options.dim_head;
  const int64_t context_dim = options.cross_attention_dim.value_or(options.query_dim);
  to_q_ = register_module("to_q", Linear(options.query_dim, inner_dim, options.bias));
  to_k_ = register_module("to_k", Linear(context_dim, inner_dim, options.bias));
  to_v_ = register_module("to_v", Linear(context_dim, inner_dim, options.bias));
  // Checkpoints name the output projection "to_out.0": a dropout without parameters follows it
  // there.
  auto to_out = register_module("to_out", std::make_shared<torch::nn::Module>());
  to_out_ = to_out->register_module("0", Linear(inner_dim, options.query_dim));
}

Tensor AttentionImpl::forward(const Tensor& x, const std::optional<Tensor>& context,
                              const std::optional<Tensor>& bias) {
  const auto& source = context ? *context : x;
  const auto query = split_heads(to_q_(x));       // [N, heads, T, dim_head]
  const auto key = split_heads(to_k_(source));    // [N, heads, L, dim_head]
  const auto value = split_heads(to_v_(source));  // [N, heads, L, dim_head]

  const auto attended = at::scaled_dot_product_attention(query, key, value, bias);
  return to_out_(attended.transpose(1, 2).flatten(2));  // [N, T, query_dim]
}

Tensor AttentionImpl::split_heads(const Tensor& tokens) const {
  return tokens.unflatten(-1, {heads_, -1}).transpose(1, 2);
}

}  // namespace latentray::nn
