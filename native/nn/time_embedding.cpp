#include "nn/time_embedding.h"

#include <ATen/ATen.h>

#include <cmath>

namespace latentray::nn {

namespace {
constexpr double kMaxPeriod = 10000;
}

Tensor sinusoidal_embedding(const Tensor& timesteps, const SinusoidOptions& options) {
  const int64_t half = options.dim / 2;
  const auto index = at::arange(half, timesteps.options().dtype(at::kFloat));
  const auto exponent =
      index * -std::log(kMaxPeriod) / static_cast<double>(half - options.freq_shift);
  const auto angle = timesteps.to(at::kFloat).unsqueeze(1) * at::exp(exponent);  // [N, half]

  const auto sine = at::sin(angle);
  const auto cosine = at::cos(angle);
  const auto embedding = options.flip_sin_to_cos ? at::cat({cosine, sine}, 1)
                                                 : at::cat({sine, cosine}, 1);  // [N, 2 half]
  return options.dim % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1});
}

TimestepEmbeddingImpl::TimestepEmbeddingImpl(int64_t in_channels, int64_t time_embed_dim,
                                             std::optional<int64_t> cond_proj_dim)
    : linear_1_(register_module("linear_1", Linear(in_channels, time_embed_dim))),
      linear_2_(register_module("linear_2", Linear(time_embed_dim, time_embed_dim))) {
  if (cond_proj_dim) {
    cond_proj_ = register_module("cond_proj", Linear(*cond_proj_dim, in_channels, /*bias=*/false));
  }
}

Tensor TimestepEmbeddingImpl::forward(const Tensor& sample,
                                      const std::optional<Tensor>& condition) {
  const auto input = condition ? sample + cond_proj_(*condition) : sample;
  return linear_2_(at::silu(linear_1_(input)));
}

}  // namespace latentray::nn
