// What every text encoder is to its callers, whichever architecture a folder holds.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "nn/layers.h"
#include "weights/state_dict.h"

namespace latentray {

struct TextInputs {
  at::Tensor input_ids;  // [N, L] int64
  // [N, L], 0 where there is padding.
  std::optional<at::Tensor> attention_mask = std::nullopt;
  // [N, L] int64, for encoders that know segments.
  std::optional<at::Tensor> token_type_ids = std::nullopt;
  bool output_hidden_states = false;
};

struct TextEncoding {
  at::Tensor last_hidden_state;  // [N, L, C]
  // When asked for: the embeddings, then every layer's output.
  std::vector<at::Tensor> hidden_states;
  // [N, C], where the model has a pooler.
  std::optional<at::Tensor> pooler_output;
  // [N, P], where the model has a head into the space that it shares with images.
  std::optional<at::Tensor> projection;
};

class TextEncoder : public torch::nn::Module {
 public:
  // ERR_SHAPE, ERR_DTYPE or ERR_INVALID_ARG (an id outside the vocabulary) name what is wrong.
  virtual TextEncoding forward(const TextInputs& inputs) = 0;

  // What a U-Net is conditioned on without the last `skip` layers; needs the hidden states.
  virtual at::Tensor skip_layers(const TextEncoding& encoding, int64_t skip) = 0;

  // Where each text ends: the position of its closing token, [N] int64.
  virtual at::Tensor end_positions(const TextInputs& inputs) const = 0;

  // Whether a token sees only those before it, so that the first one knows nothing of its text.
  virtual bool is_causal() const = 0;

  // The parameters under the names that their checkpoint had, without added embeddings.
  virtual StateDict published_state();

  virtual int64_t hidden_size() const = 0;
  virtual int64_t max_length() const = 0;
  virtual nn::Embedding token_embedding() = 0;

  // The checkpoint's token embeddings with `rows` [K, C] at `ids` (textual inversion): an id beyond
  // the vocabulary makes the table longer, with zeros in between. Each call starts from the
  // checkpoint's table; no ids bring it back. ERR_SHAPE or ERR_NON_FINITE for rows that do not fit.
  // ERR_INVALID_ARG while a trainer changes the table.
  void set_added_embeddings(const std::vector<int64_t>& ids, const at::Tensor& rows);
  bool has_added_embeddings() const { return published_embeddings_.defined(); }

  // What the longer table takes beside the checkpoint's, which is kept.
  int64_t added_embedding_bytes();

  // Whether layers are computed again in the backward pass, in place of keeping what they computed.
  // Nothing changes where no gradients are recorded.
  void set_gradient_checkpointing(bool active) { gradient_checkpointing_ = active; }

 protected:
  bool gradient_checkpointing() const { return gradient_checkpointing_; }

 private:
  bool gradient_checkpointing_ = false;
  at::Tensor published_embeddings_;  // undefined while nothing is added
};

// The mean over the tokens whose mask is not 0, special ones included: [N, L, C], [N, L] → [N, C].
at::Tensor mean_pool(const at::Tensor& hidden, const at::Tensor& attention_mask);

// The config's "model_type": 'clip_text_model', 'bert', 'cxr-bert' or 'roberta'.
std::string text_encoder_type(const Config& config);

// The encoder that `config` ("model_type") describes, with the weights of `state`. Parts that some
// checkpoints of an architecture have and others lack (pooler, projection) follow from the keys.
// The module is in evaluation mode.
std::shared_ptr<TextEncoder> load_text_encoder(const Config& config, StateDict state,
                                               const LoadOptions& options);

}  // namespace latentray
