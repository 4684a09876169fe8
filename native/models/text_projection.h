// From one text encoder's states to the width that a U-Net attends to, learned: what lets a
// biomedical encoder take CLIP's place. Chambon et al., "Adapting Pretrained Vision-Language
// Foundational Models to Medical Imaging Domains" (2022), call it the textual projection, "a simple
// 1-hidden-layer projection". Keys and config entries are those of diffusers' models/embeddings.py,
// PixArtAlphaTextProjection (its gelu_tanh is gelu_pytorch_tanh here).
#pragma once

#include <cstdint>
#include <optional>

#include "core/config.h"
#include "nn/activation.h"
#include "nn/layers.h"
#include "weights/state_dict.h"

namespace latentray {

struct TextProjectionOptions {
  int64_t in_features;
  int64_t out_features;
  // The width of the hidden layer; unset: one linear layer.
  std::optional<int64_t> hidden_size;
  nn::Activation act_fn;

  static TextProjectionOptions from_config(const Config& config);
};

class TextProjectionImpl : public torch::nn::Module {
 public:
  explicit TextProjectionImpl(const TextProjectionOptions& options);

  at::Tensor forward(const at::Tensor& states);  // [N, L, in_features] → [N, L, out_features]

  // Draws the parameters as PyTorch's nn.Linear does from torch.manual_seed(seed), layer by layer.
  void initialize(uint64_t seed);

  const TextProjectionOptions& options() const { return options_; }

 private:
  TextProjectionOptions options_;
  nn::Linear linear_1_{nullptr};
  nn::Linear linear_2_{nullptr};
};
TORCH_MODULE(TextProjection);

// In evaluation mode, with the weights of `state`, or drawn from a seed.
TextProjection load_text_projection(const Config& config, const StateDict& state,
                                    const LoadOptions& options);
TextProjection create_text_projection(const Config& config, uint64_t seed,
                                      const LoadOptions& options);

}  // namespace latentray
