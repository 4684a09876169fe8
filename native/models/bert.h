// BERT, the text encoder of biomedical language models (BioClinicalBERT, PubMedBERT, CXR-BERT).
// Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2019); the projection
// head: Boecking et al., "Making the Most of Text Semantics to Improve Biomedical Vision-Language
// Processing" (2022). Checked against transformers' models/bert/modeling_bert.py, BertModel.
#pragma once

#include "models/text_encoder.h"
#include "nn/activation.h"
#include "nn/module_list.h"

namespace latentray {

// config.json's keys. Dropout belongs to pre-training and is never applied here.
struct BertOptions {
  int64_t vocab_size;
  int64_t hidden_size;
  int64_t num_hidden_layers;
  int64_t num_attention_heads;
  int64_t intermediate_size;
  nn::Activation hidden_act;
  int64_t max_position_embeddings;
  int64_t type_vocab_size;
  double layer_norm_eps;
  // RoBERTa's rule: positions count the tokens that are not this id, from the id + 1. BERT has
  // none.
  std::optional<int64_t> position_padding_id;
  bool add_pooling_layer = false;
  // The width of CXR-BERT's projection into the space shared with images.
  std::optional<int64_t> projection_size;
};

// With BertConfig's defaults. The pooler and the projection follow from the checkpoint's keys.
BertOptions bert_options(const Config& config, const StateDict& state);

// Removes the prefix "bert." and the pre-training heads, and renames a norm's old "gamma" and
// "beta".
StateDict bert_keys(StateDict state);

// The same for a file whose prefix is `prefix` and whose heads' keys start with one of `heads`.
StateDict bare_encoder_keys(StateDict state, const std::string& prefix,
                            const std::vector<std::string>& heads);

class BertEmbeddingsImpl : public torch::nn::Module {
 public:
  explicit BertEmbeddingsImpl(const BertOptions& options);
  at::Tensor forward(const TextInputs& inputs);

  nn::Embedding word_embeddings, position_embeddings, token_type_embeddings;

 private:
  at::Tensor positions(const at::Tensor& input_ids);

  std::optional<int64_t> position_padding_id_;
  nn::LayerNorm layer_norm_;
};
TORCH_MODULE(BertEmbeddings);

// The three projections of an attention ("attention.self").
class BertSelfAttentionImpl : public torch::nn::Module {
 public:
  explicit BertSelfAttentionImpl(const BertOptions& options);
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& mask);

 private:
  int64_t heads_;
  nn::Linear query_, key_, value_;
};
TORCH_MODULE(BertSelfAttention);

// A projection, the residual sum and its norm: the end of either half of a layer.
class BertOutputImpl : public torch::nn::Module {
 public:
  BertOutputImpl(int64_t in_features, const BertOptions& options);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual);

 private:
  nn::Linear dense_;
  nn::LayerNorm layer_norm_;
};
TORCH_MODULE(BertOutput);

class BertAttentionImpl : public torch::nn::Module {
 public:
  explicit BertAttentionImpl(const BertOptions& options);
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& mask);

 private:
  BertSelfAttention self_;
  BertOutput output_;
};
TORCH_MODULE(BertAttention);

class BertIntermediateImpl : public torch::nn::Module {
 public:
  explicit BertIntermediateImpl(const BertOptions& options);
  at::Tensor forward(const at::Tensor& x);

 private:
  nn::Activation activation_;
  bool is_gelu_;
  nn::Linear dense_;
};
TORCH_MODULE(BertIntermediate);

class BertLayerImpl : public torch::nn::Module {
 public:
  explicit BertLayerImpl(const BertOptions& options);
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& mask);

 private:
  at::Tensor feed_forward(const at::Tensor& x);

  BertAttention attention_;
  BertIntermediate intermediate_;
  BertOutput output_;
};
TORCH_MODULE(BertLayer);

class BertEncoderImpl : public torch::nn::Module {
 public:
  explicit BertEncoderImpl(const BertOptions& options);

  nn::TypedModuleList<BertLayer> layer;
};
TORCH_MODULE(BertEncoder);

class BertPoolerImpl : public torch::nn::Module {
 public:
  explicit BertPoolerImpl(int64_t hidden_size);
  at::Tensor forward(const at::Tensor& hidden);  // [N, L, C] → [N, C]

 private:
  nn::Linear dense_;
};
TORCH_MODULE(BertPooler);

// CXR-BERT's head over the first token.
class BertProjectionHeadImpl : public torch::nn::Module {
 public:
  BertProjectionHeadImpl(int64_t hidden_size, int64_t projection_size);
  at::Tensor forward(const at::Tensor& hidden);  // [N, L, C] → [N, P]

 private:
  nn::Linear dense_to_hidden_;
  nn::LayerNorm layer_norm_;
  nn::Linear dense_to_output_;
};
TORCH_MODULE(BertProjectionHead);

class BertModelImpl : public TextEncoder {
 public:
  explicit BertModelImpl(const BertOptions& options);

  TextEncoding forward(const TextInputs& inputs) override;
  at::Tensor skip_layers(const TextEncoding& encoding, int64_t skip) override;

  // The last token that is not padding.
  at::Tensor end_positions(const TextInputs& inputs) const override;
  bool is_causal() const override { return false; }

  int64_t hidden_size() const override { return options_.hidden_size; }
  int64_t max_length() const override;
  nn::Embedding token_embedding() override { return embeddings_->word_embeddings; }

 private:
  BertOptions options_;
  BertEmbeddings embeddings_;
  BertEncoder encoder_;
  BertPooler pooler_{nullptr};
  BertProjectionHead cls_projection_head_{nullptr};
};
TORCH_MODULE(BertModel);

}  // namespace latentray
