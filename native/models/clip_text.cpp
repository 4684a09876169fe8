#include "models/clip_text.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"
#include "models/positive_integer.h"
#include "models/text_attention.h"
#include "nn/gradient_checkpointing.h"

namespace latentray {

using at::Tensor;

CLIPTextOptions CLIPTextOptions::from_config(const Config& config, const StateDict& state) {
  CLIPTextOptions options;
  options.vocab_size = positive_integer(config, "vocab_size", 49408);
  options.hidden_size = positive_integer(config, "hidden_size", 512);
  options.intermediate_size = positive_integer(config, "intermediate_size", 2048);
  options.num_hidden_layers = positive_integer(config, "num_hidden_layers", 12, kMaxLayers);
  options.num_attention_heads = positive_integer(config, "num_attention_heads", 8);
  if (options.hidden_size % options.num_attention_heads != 0) {
    config.reject("num_attention_heads",
                  c10::str("a divisor of hidden_size ", options.hidden_size));
  }
  options.max_position_embeddings = positive_integer(config, "max_position_embeddings", 77);
  options.layer_norm_eps = config.number("layer_norm_eps", 1e-5);
  options.hidden_act = nn::activation(config, "hidden_act", "quick_gelu");
  options.eos_token_id = config.integer("eos_token_id", 49407);
  if (state.tensors.count("text_projection.weight")) {
    options.projection_dim = positive_integer(config, "projection_dim", 512);
  }
  options.bare_keys = state.tensors.count("embeddings.token_embedding.weight") != 0;
  return options;
}

StateDict clip_text_keys(StateDict state) {
  std::map<std::string, Tensor> tensors;
  for (auto& [key, tensor] : state.tensors) {
    const bool bare = key.starts_with("embeddings.") || key.starts_with("encoder.") ||
                      key.starts_with("final_layer_norm.");
    tensors[bare ? "text_model." + key : key] = std::move(tensor);
  }
  tensors.erase("text_model.embeddings.position_ids");
  state.tensors = std::move(tensors);
  return state;
}

CLIPAttentionImpl::CLIPAttentionImpl(const CLIPTextOptions& options)
    : heads_(options.num_attention_heads),
      k_proj_(register_module("k_proj", nn::Linear(options.hidden_size, options.hidden_size))),
      v_proj_(register_module("v_proj", nn::Linear(options.hidden_size, options.hidden_size))),
      q_proj_(register_module("q_proj", nn::Linear(options.hidden_size, options.hidden_size))),
      out_proj_(register_module("out_proj", nn::Linear(options.hidden_size, options.hidden_size))) {
}

Tensor CLIPAttentionImpl::forward(const Tensor& x, const std::optional<Tensor>& mask) {
  return out_proj_(attend(q_proj_(x), k_proj_(x), v_proj_(x), heads_, mask, /*causal=*/!mask));
}

CLIPMLPImpl::CLIPMLPImpl(const CLIPTextOptions& options)
    : activation_(options.hidden_act),
      fc1_(register_module("fc1", nn::Linear(options.hidden_size, options.intermediate_size))),
      fc2_(register_module("fc2", nn::Linear(options.intermediate_size, options.hidden_size))) {}

Tensor CLIPMLPImpl::forward(const Tensor& x) { return fc2_(activation_(fc1_(x))); }

CLIPEncoderLayerImpl::CLIPEncoderLayerImpl(const CLIPTextOptions& options)
    : self_attn_(register_module("self_attn", CLIPAttention(options))),
      layer_norm1_(register_module("layer_norm1",
                                   nn::LayerNorm(options.hidden_size, options.layer_norm_eps))),
      mlp_(register_module("mlp", CLIPMLP(options))),
      layer_norm2_(register_module("layer_norm2",
                                   nn::LayerNorm(options.hidden_size, options.layer_norm_eps))) {}

Tensor CLIPEncoderLayerImpl::forward(const Tensor& x, const std::optional<Tensor>& mask) {
  const auto attended = x + self_attn_(layer_norm1_(x), mask);
  return attended + mlp_(layer_norm2_(attended));
}

CLIPTextEmbeddingsImpl::CLIPTextEmbeddingsImpl(const CLIPTextOptions& options)
    : token_embedding(register_module("token_embedding",
                                      nn::Embedding(options.vocab_size, options.hidden_size))),
      position_embedding(
          register_module("position_embedding",
                          nn::Embedding(options.max_position_embeddings, options.hidden_size))) {}

Tensor CLIPTextEmbeddingsImpl::forward(const Tensor& input_ids) {
  const auto positions = position_embedding->weight.narrow(0, 0, input_ids.size(1));
  return token_embedding(input_ids) + positions;  // [N, L, C]
}

CLIPEncoderImpl::CLIPEncoderImpl(const CLIPTextOptions& options)
    : layers(register_module("layers", nn::TypedModuleList<CLIPEncoderLayer>())) {
  for (int64_t i = 0; i < options.num_hidden_layers; ++i) {
    layers->push_back(CLIPEncoderLayer(options));
  }
}

CLIPTextTransformerImpl::CLIPTextTransformerImpl(const CLIPTextOptions& options)
    : embeddings(register_module("embeddings", CLIPTextEmbeddings(options))),
      encoder(register_module("encoder", CLIPEncoder(options))),
      final_layer_norm(register_module(
          "final_layer_norm", nn::LayerNorm(options.hidden_size, options.layer_norm_eps))) {}

CLIPTextModelImpl::CLIPTextModelImpl(const CLIPTextOptions& options)
    : options_(options), text_model_(register_module("text_model", CLIPTextTransformer(options))) {
  if (options.projection_dim) {
    text_projection_ =
        register_module("text_projection",
                        nn::Linear(options.hidden_size, *options.projection_dim, /*bias=*/false));
  }
}

TextEncoding CLIPTextModelImpl::forward(const TextInputs& inputs) {
  check_text_inputs(inputs,
                    {token_embedding()->weight.size(0), /*type_vocab_size=*/0, max_length()});
  auto mask = padding_mask(inputs);
  if (mask) mask = mask->tril();  // nor any later token

  TextEncoding encoding;
  auto hidden = text_model_->embeddings(inputs.input_ids);  // [N, L, C]
  for (auto& layer : text_model_->encoder->layers) {
    cancellation_point();
    if (inputs.output_hidden_states) encoding.hidden_states.push_back(hidden);
    hidden = nn::run_block(gradient_checkpointing(), {hidden},
                           [layer = layer.ptr(), mask](const std::vector<Tensor>& states) {
                             return layer->forward(states[0], mask);
                           });
  }
  if (inputs.output_hidden_states) encoding.hidden_states.push_back(hidden);

  encoding.last_hidden_state = text_model_->final_layer_norm(hidden);
  encoding.pooler_output = select_tokens(encoding.last_hidden_state, end_positions(inputs));
  if (text_projection_) encoding.projection = text_projection_(*encoding.pooler_output);
  return encoding;
}

Tensor CLIPTextModelImpl::end_positions(const TextInputs& inputs) const {
  // Configs that say 2 were trained with the end token as the highest id of the vocabulary; tokens
  // that were added since do not count. The others name it, and the first one counts, because
  // padding may repeat it.
  const Tensor& ids = inputs.input_ids;
  const auto score = options_.eos_token_id == 2 ? ids.masked_fill(ids >= options_.vocab_size, 0)
                                                : (ids == options_.eos_token_id).to(at::kInt);
  return score.argmax(-1);  // [N]
}

Tensor CLIPTextModelImpl::skip_layers(const TextEncoding& encoding, int64_t skip) {
  return text_model_->final_layer_norm(skipped_state(encoding, skip));
}

StateDict CLIPTextModelImpl::published_state() {
  StateDict state = TextEncoder::published_state();
  if (!options_.bare_keys) return state;
  const std::string prefix = "text_model.";
  std::map<std::string, Tensor> tensors;
  for (const auto& [key, tensor] : state.tensors) {
    tensors[key.starts_with(prefix) ? key.substr(prefix.size()) : key] = tensor;
  }
  state.tensors = std::move(tensors);
  return state;
}

}  // namespace latentray
