// What a trainer needs to go on where it stopped, as one dictionary of tensors and short texts.
#pragma once

#include <string>

#include "training/named_parameters.h"
#include "weights/state_dict.h"

namespace latentray {

// The state's tensor of that name. ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_SHAPE.
const at::Tensor& tensor_of(const StateDict& state, const std::string& key, at::IntArrayRef sizes);

// Copies the state's tensor into `target`. Errors as above.
void copy_state(const StateDict& state, const std::string& key, const at::Tensor& target);

// ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_CORRUPT for what is no number.
int64_t integer_of(const StateDict& state, const std::string& key);

// The parameters under "<prefix><name>", and back.
void save_parameters(StateDict& state, const std::string& prefix,
                     const NamedParameters& parameters);
void load_parameters(const StateDict& state, const std::string& prefix,
                     const NamedParameters& parameters);

}  // namespace latentray
