// What a caller asks of a text encoder in one call: states, and one vector a text.
#pragma once

#include <optional>
#include <string>

#include "models/text_encoder.h"

namespace latentray {

enum class Pooling {
  kNone,
  kCls,         // the first token
  kMean,        // the mean over the tokens that are not padding, special ones included
  kEndOfText,   // the closing token
  kPooler,      // the model's own pooled output
  kProjection,  // the model's head into the space that it shares with images
};

// "none", "cls", "mean", "eot", "pooler" or "projection"; ERR_INVALID_ARG for any other.
Pooling parse_pooling(const std::string& name);

struct TextRequest {
  // Whether the mask hides padding from the model, too; pooling always follows it.
  bool mask_padding = true;
  // Leaves out the last layers, with the model's final norm over what is left ("clip skip").
  int64_t skip_layers = 0;
  // One of the hidden states as it is: 0 the embeddings, −1 the last layer's output. Unset: the
  // last hidden state.
  std::optional<int64_t> layer = std::nullopt;
  Pooling pooling = Pooling::kNone;
  // Vectors of length 1.
  bool normalize = false;
};

struct EmbeddedTexts {
  TextEncoding encoding;
  // [N, L, C]: what skip_layers or layer choose.
  at::Tensor states;
  // [N, C]; the projection's is [N, P].
  std::optional<at::Tensor> pooled;
};

// ERR_INVALID_ARG where the model cannot give what is asked for: no such layer, no pooler, no
// projection, the first token of a causal model.
EmbeddedTexts embed_texts(TextEncoder& encoder, TextInputs inputs, const TextRequest& request);

// The cosine of every pair: a [N, C], b [M, C] → [N, M]. Vectors of zeros have the cosine 0.
at::Tensor cosine_similarity(const at::Tensor& a, const at::Tensor& b);

}  // namespace latentray
