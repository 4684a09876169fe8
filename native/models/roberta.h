// RoBERTa: BERT with positions that skip padding. Liu et al., "RoBERTa: A Robustly Optimized BERT
// Pretraining Approach" (2019). Checked against transformers' models/roberta/modeling_roberta.py.
#pragma once

#include "models/bert.h"

namespace latentray {

// config.json's keys with RobertaConfig's defaults: options of a BertModel.
BertOptions roberta_options(const Config& config, const StateDict& state);

// Removes the prefix "roberta." and the language-model head.
StateDict roberta_keys(StateDict state);

}  // namespace latentray
