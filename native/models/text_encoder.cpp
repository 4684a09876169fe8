#include "models/text_encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <utility>

#include "models/bert.h"
#include "models/clip_text.h"
#include "models/roberta.h"

namespace latentray {

namespace {

// A tokenizer of another model would ask for a table of any size.
constexpr int64_t kMostAddedRows = 1 << 16;

template <class Model, class Options>
std::shared_ptr<TextEncoder> load(const Options& options, const StateDict& state,
                                  const LoadOptions& load_options) {
  auto model = std::make_shared<Model>(options);
  load_state_dict(*model, state, load_options);
  model->eval();
  return model;
}

}  // namespace

StateDict TextEncoder::published_state() {
  StateDict state = state_of(*this);
  if (!published_embeddings_.defined()) return state;
  const at::Tensor& weight = token_embedding()->weight;
  for (auto& [key, tensor] : state.tensors) {
    if (tensor.is_alias_of(weight)) tensor = published_embeddings_;
  }
  return state;
}

void TextEncoder::set_added_embeddings(const std::vector<int64_t>& ids, const at::Tensor& rows) {
  at::Tensor& weight = token_embedding()->weight;
  LATENTRAY_CHECK(!weight.requires_grad(), "ERR_INVALID_ARG",
                  "token embeddings: expected a text encoder that is not being trained whole. "
                  "Dispose of the trainer first");
  const auto expected = std::array{static_cast<int64_t>(ids.size()), hidden_size()};
  LATENTRAY_CHECK(rows.sizes() == at::IntArrayRef(expected), "ERR_SHAPE",
                  "token embeddings: expected ", at::IntArrayRef(expected), " (this encoder is ",
                  hidden_size(), " wide), found ", rows.sizes());
  LATENTRAY_CHECK(at::isfinite(rows).all().item<bool>(), "ERR_NON_FINITE",
                  "token embeddings: expected finite numbers");
  if (!published_embeddings_.defined()) published_embeddings_ = weight.detach();
  const auto& published = published_embeddings_;
  if (ids.empty()) {
    weight.set_data(std::exchange(published_embeddings_, at::Tensor()));
    return;
  }
  const int64_t last = *std::max_element(ids.begin(), ids.end());
  LATENTRAY_CHECK(last - published.size(0) < kMostAddedRows, "ERR_TOKENIZER",
                  "token embeddings: the tokenizer gives added tokens the id ", last,
                  ", far outside this encoder's vocabulary (", published.size(0), ")");
  const int64_t count = std::max(published.size(0), last + 1);
  auto table = at::zeros({count, hidden_size()}, published.options());  // [vocabulary, C]
  table.narrow(0, 0, published.size(0)).copy_(published);
  const auto index = at::tensor(ids, at::kLong).to(table.device());
  table.index_copy_(0, index, rows.to(table.options()));
  weight.set_data(table);
}

int64_t TextEncoder::added_embedding_bytes() {
  return published_embeddings_.defined() ? static_cast<int64_t>(token_embedding()->weight.nbytes())
                                         : 0;
}

at::Tensor mean_pool(const at::Tensor& hidden, const at::Tensor& attention_mask) {
  const auto weight = (attention_mask != 0).to(hidden.options()).unsqueeze(-1);  // [N, L, 1]
  return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1);                  // [N, C]
}

std::string text_encoder_type(const Config& config) {
  constexpr std::array kTypes = {"clip_text_model", "bert", "cxr-bert", "roberta"};
  std::string type = config.string("model_type", "");
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
    config.reject("model_type", "one of 'clip_text_model', 'bert', 'cxr-bert', 'roberta'");
  }
  return type;
}

std::shared_ptr<TextEncoder> load_text_encoder(const Config& config, StateDict state,
                                               const LoadOptions& options) {
  const std::string type = text_encoder_type(config);
  if (type == "clip_text_model") {
    const auto clip = CLIPTextOptions::from_config(config, state);
    return load<CLIPTextModelImpl>(clip, clip_text_keys(std::move(state)), options);
  }
  if (type == "roberta") {
    state = roberta_keys(std::move(state));
    return load<BertModelImpl>(roberta_options(config, state), state, options);
  }
  state = bert_keys(std::move(state));
  return load<BertModelImpl>(bert_options(config, state), state, options);
}

}  // namespace latentray
