// What the transformer text encoders share: checked inputs and multi-head self-attention.
#pragma once

#include <optional>

#include "models/text_encoder.h"

namespace latentray {

struct TextLimits {
  int64_t vocab_size;
  int64_t type_vocab_size;  // 0: the encoder knows no segments
  int64_t max_length;
};

void check_text_inputs(const TextInputs& inputs, const TextLimits& limits);

// The hidden state that comes `skip` layers before the last one.
at::Tensor skipped_state(const TextEncoding& encoding, int64_t skip);

// One token a text: hidden [N, L, C], positions [N] → [N, C].
at::Tensor select_tokens(const at::Tensor& hidden, const at::Tensor& positions);

// Which keys each query may see, [N, 1, L, L] bool; nullopt when nothing is padding.
std::optional<at::Tensor> padding_mask(const TextInputs& inputs);

// Scaled dot-product attention over `heads` heads: q, k, v [N, L, C] → [N, L, C]. `mask` [N, 1, L,
// L]; `causal` lets a query see no later key and is for calls without a mask.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                  const std::optional<at::Tensor>& mask, bool causal = false);

}  // namespace latentray
