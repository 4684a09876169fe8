#include "models/text_encoder.h"

#include <ATen/ATen.h>

#include "models/bert.h"
#include "models/clip_text.h"
#include "models/roberta.h"

namespace latentray {

namespace {

template <class Model, class Options>
std::shared_ptr<TextEncoder> load(const Options& options, const StateDict& state,
                                  const LoadOptions& load_options) {
  auto model = std::make_shared<Model>(options);
  load_state_dict(*model, state, load_options);
  model->eval();
  return model;
}

}  // namespace

at::Tensor mean_pool(const at::Tensor& hidden, const at::Tensor& attention_mask) {
  const auto weight = (attention_mask != 0).to(hidden.options()).unsqueeze(-1);  // [N, L, 1]
  return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1);                  // [N, C]
}

std::shared_ptr<TextEncoder> load_text_encoder(const Config& config, StateDict state,
                                               const LoadOptions& options) {
  const std::string type = config.string("model_type", "");
  if (type == "clip_text_model") {
    const auto clip = CLIPTextOptions::from_config(config, state);
    return load<CLIPTextModelImpl>(clip, clip_text_keys(std::move(state)), options);
  }
  if (type == "bert" || type == "cxr-bert") {
    state = bert_keys(std::move(state));
    return load<BertModelImpl>(bert_options(config, state), state, options);
  }
  if (type == "roberta") {
    state = roberta_keys(std::move(state));
    return load<BertModelImpl>(roberta_options(config, state), state, options);
  }
  config.reject("model_type", "one of 'clip_text_model', 'bert', 'cxr-bert', 'roberta'");
}

}  // namespace latentray
