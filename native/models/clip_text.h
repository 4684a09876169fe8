// CLIP's text transformer, the text encoder of Stable Diffusion 1.x and 2.x.
// Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021).
// Checked against transformers' models/clip/modeling_clip.py, CLIPTextModel (and …WithProjection).
#pragma once

#include "models/text_encoder.h"
#include "nn/activation.h"
#include "nn/module_list.h"

namespace latentray {

// config.json's keys with CLIPTextConfig's defaults.
struct CLIPTextOptions {
  int64_t vocab_size;
  int64_t hidden_size;
  int64_t intermediate_size;
  int64_t num_hidden_layers;
  int64_t num_attention_heads;
  int64_t max_position_embeddings;
  double layer_norm_eps;
  nn::Activation hidden_act;
  // The token whose state is the pooled output. 2 marks configs written before the token was
  // recorded.
  int64_t eos_token_id;
  // The width of the projection into the space shared with images; nullopt where the file has none.
  std::optional<int64_t> projection_dim;
  // Whether the checkpoint leaves "text_model." out of its names, as transformers 5 does.
  bool bare_keys = false;

  static CLIPTextOptions from_config(const Config& config, const StateDict& state);
};

// Published files name the parameters "text_model.…"; those of transformers 5 leave the prefix out.
// Old ones hold a buffer of position numbers, which is left out here.
StateDict clip_text_keys(StateDict state);

class CLIPAttentionImpl : public torch::nn::Module {
 public:
  explicit CLIPAttentionImpl(const CLIPTextOptions& options);
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& mask);

 private:
  int64_t heads_;
  nn::Linear k_proj_, v_proj_, q_proj_, out_proj_;
};
TORCH_MODULE(CLIPAttention);

class CLIPMLPImpl : public torch::nn::Module {
 public:
  explicit CLIPMLPImpl(const CLIPTextOptions& options);
  at::Tensor forward(const at::Tensor& x);

 private:
  nn::Activation activation_;
  nn::Linear fc1_, fc2_;
};
TORCH_MODULE(CLIPMLP);

class CLIPEncoderLayerImpl : public torch::nn::Module {
 public:
  explicit CLIPEncoderLayerImpl(const CLIPTextOptions& options);
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& mask);

 private:
  CLIPAttention self_attn_;
  nn::LayerNorm layer_norm1_;
  CLIPMLP mlp_;
  nn::LayerNorm layer_norm2_;
};
TORCH_MODULE(CLIPEncoderLayer);

class CLIPTextEmbeddingsImpl : public torch::nn::Module {
 public:
  explicit CLIPTextEmbeddingsImpl(const CLIPTextOptions& options);
  at::Tensor forward(const at::Tensor& input_ids);

  nn::Embedding token_embedding, position_embedding;
};
TORCH_MODULE(CLIPTextEmbeddings);

class CLIPEncoderImpl : public torch::nn::Module {
 public:
  explicit CLIPEncoderImpl(const CLIPTextOptions& options);

  nn::TypedModuleList<CLIPEncoderLayer> layers;
};
TORCH_MODULE(CLIPEncoder);

class CLIPTextTransformerImpl : public torch::nn::Module {
 public:
  explicit CLIPTextTransformerImpl(const CLIPTextOptions& options);

  CLIPTextEmbeddings embeddings;
  CLIPEncoder encoder;
  nn::LayerNorm final_layer_norm;
};
TORCH_MODULE(CLIPTextTransformer);

class CLIPTextModelImpl : public TextEncoder {
 public:
  explicit CLIPTextModelImpl(const CLIPTextOptions& options);

  TextEncoding forward(const TextInputs& inputs) override;

  // The final layer norm over an earlier layer's output ("clip skip").
  at::Tensor skip_layers(const TextEncoding& encoding, int64_t skip) override;

  at::Tensor end_positions(const TextInputs& inputs) const override;
  bool is_causal() const override { return true; }

  int64_t hidden_size() const override { return options_.hidden_size; }
  int64_t max_length() const override { return options_.max_position_embeddings; }
  nn::Embedding token_embedding() override { return text_model_->embeddings->token_embedding; }
  StateDict published_state() override;

 private:
  CLIPTextOptions options_;
  CLIPTextTransformer text_model_;
  nn::Linear text_projection_{nullptr};
};
TORCH_MODULE(CLIPTextModel);

}  // namespace latentray
