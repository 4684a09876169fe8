// How the network learns which step it is at: sinusoids of the timestep, then a two-layer
// perceptron. Vaswani et al., "Attention Is All You Need" (2017), section 3.5; Ho et al. (2020),
// appendix B. Checked against diffusers' models/embeddings.py, get_timestep_embedding and
// TimestepEmbedding.
#pragma once

#include <optional>

#include "nn/layers.h"

namespace latentray::nn {

struct SinusoidOptions {
  int64_t dim;                   // width of the embedding
  bool flip_sin_to_cos = false;  // cosines before sines
  int64_t freq_shift = 1;        // taken from dim / 2 where the frequencies are spaced
};

// timesteps [N], of any dtype, may be fractional → float32 [N, dim]
Tensor sinusoidal_embedding(const Tensor& timesteps, const SinusoidOptions& options);

class TimestepEmbeddingImpl : public torch::nn::Module {
 public:
  // `cond_proj_dim` is the width of a second condition, such as the guidance scale's embedding in
  // latent consistency models.
  TimestepEmbeddingImpl(int64_t in_channels, int64_t time_embed_dim,
                        std::optional<int64_t> cond_proj_dim = std::nullopt);

  // sample [N, in], condition [N, cond_proj_dim] → [N, time_embed_dim]
  Tensor forward(const Tensor& sample, const std::optional<Tensor>& condition = std::nullopt);

 private:
  Linear linear_1_;
  Linear linear_2_;
  Linear cond_proj_{nullptr};
};
TORCH_MODULE(TimestepEmbedding);

}  // namespace latentray::nn
