#include "models/roberta.h"

#include "models/positive_integer.h"

namespace latentray {

BertOptions roberta_options(const Config& config, const StateDict& state) {
  auto options = bert_options(config, state);
  options.vocab_size = positive_integer(config, "vocab_size", 50265);
  const int64_t padding_id = config.integer("pad_token_id", 1);
  if (padding_id < 0 || padding_id + 1 >= options.max_position_embeddings) {
    config.reject("pad_token_id",
                  c10::str("an id from 0 to ", options.max_position_embeddings - 2));
  }
  options.position_padding_id = padding_id;
  return options;
}

StateDict roberta_keys(StateDict state) {
  return bare_encoder_keys(std::move(state), "roberta.", {"lm_head."});
}

}  // namespace latentray
