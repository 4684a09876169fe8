#include "models/bert.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/cancellation.h"
#include "models/positive_integer.h"
#include "models/text_attention.h"
#include "nn/gradient_checkpointing.h"

namespace latentray {

using at::Tensor;

namespace {

// The wide hidden layer of so many tokens stays small enough for the allocator to keep (glibc gives
// blocks above 32 MB back to the system at once, and new pages cost more than the arithmetic).
constexpr int64_t kFeedForwardTokens = 1024;

}  // namespace

BertOptions bert_options(const Config& config, const StateDict& state) {
  BertOptions options;
  options.vocab_size = positive_integer(config, "vocab_size", 30522);
  options.hidden_size = positive_integer(config, "hidden_size", 768);
  options.num_hidden_layers = positive_integer(config, "num_hidden_layers", 12, kMaxLayers);
  options.num_attention_heads = positive_integer(config, "num_attention_heads", 12);
  if (options.hidden_size % options.num_attention_heads != 0) {
    config.reject("num_attention_heads",
                  c10::str("a divisor of hidden_size ", options.hidden_size));
  }
  options.intermediate_size = positive_integer(config, "intermediate_size", 3072);
  options.hidden_act = nn::activation(config, "hidden_act", "gelu");
  options.max_position_embeddings = positive_integer(config, "max_position_embeddings", 512);
  options.type_vocab_size = positive_integer(config, "type_vocab_size", 2);
  options.layer_norm_eps = config.number("layer_norm_eps", 1e-12);
  config.require_one_of("position_embedding_type", {"absolute"}, "absolute");
  if (config.boolean("is_decoder", false)) config.reject("is_decoder", "false");

  options.add_pooling_layer = state.tensors.count("pooler.dense.weight") > 0;
  if (state.tensors.count("cls_projection_head.dense_to_hidden.weight")) {
    options.projection_size = positive_integer(config, "projection_size", 128);
  }
  return options;
}

StateDict bare_encoder_keys(StateDict state, const std::string& prefix,
                            const std::vector<std::string>& heads) {
  const auto replace_end = [](std::string& key, const std::string& old_end, const char* new_end) {
    if (key.ends_with(old_end)) key.replace(key.size() - old_end.size(), old_end.size(), new_end);
  };
  std::map<std::string, Tensor> tensors;
  for (auto& [full_key, tensor] : state.tensors) {
    const bool is_head = std::any_of(heads.begin(), heads.end(), [&](const std::string& head) {
      return full_key.starts_with(head);
    });
    if (is_head) continue;
    std::string key = full_key.starts_with(prefix) ? full_key.substr(prefix.size()) : full_key;
    replace_end(key, "LayerNorm.gamma", "LayerNorm.weight");
    replace_end(key, "LayerNorm.beta", "LayerNorm.bias");
    tensors[key] = std::move(tensor);
  }
  tensors.erase("embeddings.position_ids");
  tensors.erase("embeddings.token_type_ids");
  state.tensors = std::move(tensors);
  return state;
}

StateDict bert_keys(StateDict state) {
  return bare_encoder_keys(std::move(state), "bert.",
                           {"cls.predictions.", "cls.seq_relationship."});
}

BertEmbeddingsImpl::BertEmbeddingsImpl(const BertOptions& options)
    : word_embeddings(register_module("word_embeddings",
                                      nn::Embedding(options.vocab_size, options.hidden_size))),
      position_embeddings(
          register_module("position_embeddings",
                          nn::Embedding(options.max_position_embeddings, options.hidden_size))),
      token_type_embeddings(register_module(
          "token_type_embeddings", nn::Embedding(options.type_vocab_size, options.hidden_size))),
      position_padding_id_(options.position_padding_id),
      layer_norm_(register_module("LayerNorm",
                                  nn::LayerNorm(options.hidden_size, options.layer_norm_eps))) {}

Tensor BertEmbeddingsImpl::positions(const Tensor& input_ids) {
  if (!position_padding_id_) return position_embeddings->weight.narrow(0, 0, input_ids.size(1));
  const auto is_token = (input_ids != *position_padding_id_).to(at::kLong);
  return position_embeddings(is_token.cumsum(1) * is_token + *position_padding_id_);
}

Tensor BertEmbeddingsImpl::forward(const TextInputs& inputs) {
  const auto segments = inputs.token_type_ids ? token_type_embeddings(*inputs.token_type_ids)
                                              : token_type_embeddings->weight[0];
  return layer_norm_(word_embeddings(inputs.input_ids) + segments + positions(inputs.input_ids));
}

BertSelfAttentionImpl::BertSelfAttentionImpl(const BertOptions& options)
    : heads_(options.num_attention_heads),
      query_(register_module("query", nn::Linear(options.hidden_size, options.hidden_size))),
      key_(register_module("key", nn::Linear(options.hidden_size, options.hidden_size))),
      value_(register_module("value", nn::Linear(options.hidden_size, options.hidden_size))) {}

Tensor BertSelfAttentionImpl::forward(const Tensor& x, const std::optional<Tensor>& mask) {
  return attend(query_(x), key_(x), value_(x), heads_, mask);
}

BertOutputImpl::BertOutputImpl(int64_t in_features, const BertOptions& options)
    : dense_(register_module("dense", nn::Linear(in_features, options.hidden_size))),
      layer_norm_(register_module("LayerNorm",
                                  nn::LayerNorm(options.hidden_size, options.layer_norm_eps))) {}

Tensor BertOutputImpl::forward(const Tensor& x, const Tensor& residual) {
  return layer_norm_(dense_(x) + residual);
}

BertAttentionImpl::BertAttentionImpl(const BertOptions& options)
    : self_(register_module("self", BertSelfAttention(options))),
      output_(register_module("output", BertOutput(options.hidden_size, options))) {}

Tensor BertAttentionImpl::forward(const Tensor& x, const std::optional<Tensor>& mask) {
  return output_(self_(x, mask), x);
}

BertIntermediateImpl::BertIntermediateImpl(const BertOptions& options)
    : activation_(options.hidden_act),
      is_gelu_(options.hidden_act == nn::activation("gelu")),
      dense_(register_module("dense", nn::Linear(options.hidden_size, options.intermediate_size))) {
}

Tensor BertIntermediateImpl::forward(const Tensor& x) {
  return is_gelu_ ? dense_->forward_gelu(x) : activation_(dense_(x));
}

BertLayerImpl::BertLayerImpl(const BertOptions& options)
    : attention_(register_module("attention", BertAttention(options))),
      intermediate_(register_module("intermediate", BertIntermediate(options))),
      output_(register_module("output", BertOutput(options.intermediate_size, options))) {}

Tensor BertLayerImpl::forward(const Tensor& x, const std::optional<Tensor>& mask) {
  return feed_forward(attention_(x, mask));
}

Tensor BertLayerImpl::feed_forward(const Tensor& x) {
  const auto tokens = x.flatten(0, -2);  // [N · L, C]
  if (!x.is_cpu() || at::GradMode::is_enabled() || tokens.size(0) <= kFeedForwardTokens) {
    return output_(intermediate_(x), x);
  }
  std::vector<Tensor> pieces;
  for (const auto& piece : tokens.split(kFeedForwardTokens)) {
    pieces.push_back(output_(intermediate_(piece), piece));
  }
  return at::cat(pieces).view_as(x);  // [N, L, C]
}

BertEncoderImpl::BertEncoderImpl(const BertOptions& options)
    : layer(register_module("layer", nn::TypedModuleList<BertLayer>())) {
  for (int64_t i = 0; i < options.num_hidden_layers; ++i) layer->push_back(BertLayer(options));
}

BertPoolerImpl::BertPoolerImpl(int64_t hidden_size)
    : dense_(register_module("dense", nn::Linear(hidden_size, hidden_size))) {}

Tensor BertPoolerImpl::forward(const Tensor& hidden) {
  return at::tanh(dense_(hidden.select(1, 0)));  // [N, C]
}

BertProjectionHeadImpl::BertProjectionHeadImpl(int64_t hidden_size, int64_t projection_size)
    : dense_to_hidden_(
          register_module("dense_to_hidden", nn::Linear(hidden_size, projection_size))),
      layer_norm_(register_module("LayerNorm", nn::LayerNorm(projection_size, 1e-12))),
      dense_to_output_(
          register_module("dense_to_output", nn::Linear(projection_size, projection_size))) {}

Tensor BertProjectionHeadImpl::forward(const Tensor& hidden) {
  return dense_to_output_(layer_norm_(at::gelu(dense_to_hidden_(hidden.select(1, 0)))));  // [N, P]
}

BertModelImpl::BertModelImpl(const BertOptions& options)
    : options_(options),
      embeddings_(register_module("embeddings", BertEmbeddings(options))),
      encoder_(register_module("encoder", BertEncoder(options))) {
  if (options.add_pooling_layer) {
    pooler_ = register_module("pooler", BertPooler(options.hidden_size));
  }
  if (options.projection_size) {
    cls_projection_head_ = register_module(
        "cls_projection_head", BertProjectionHead(options.hidden_size, *options.projection_size));
  }
}

int64_t BertModelImpl::max_length() const {
  return options_.max_position_embeddings -
         (options_.position_padding_id ? *options_.position_padding_id + 1 : 0);
}

TextEncoding BertModelImpl::forward(const TextInputs& inputs) {
  check_text_inputs(inputs,
                    {token_embedding()->weight.size(0), options_.type_vocab_size, max_length()});
  const auto mask = padding_mask(inputs);

  TextEncoding encoding;
  auto hidden = embeddings_(inputs);  // [N, L, C]
  for (auto& layer : encoder_->layer) {
    cancellation_point();
    if (inputs.output_hidden_states) encoding.hidden_states.push_back(hidden);
    hidden = nn::run_block(gradient_checkpointing(), {hidden},
                           [layer = layer.ptr(), mask](const std::vector<Tensor>& states) {
                             return layer->forward(states[0], mask);
                           });
  }
  if (inputs.output_hidden_states) encoding.hidden_states.push_back(hidden);

  encoding.last_hidden_state = hidden;
  if (pooler_) encoding.pooler_output = pooler_(hidden);
  if (cls_projection_head_) encoding.projection = cls_projection_head_(hidden);
  return encoding;
}

Tensor BertModelImpl::end_positions(const TextInputs& inputs) const {
  const Tensor& ids = inputs.input_ids;
  const auto mask = inputs.attention_mask ? *inputs.attention_mask : at::ones_like(ids);
  const auto positions = at::arange(ids.size(1), ids.options());  // [L]
  return ((mask != 0) * positions).argmax(-1);                    // [N]
}

Tensor BertModelImpl::skip_layers(const TextEncoding& encoding, int64_t skip) {
  return skipped_state(encoding, skip);
}

}  // namespace latentray
