// The rows whose label is known, with their scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace latentray {

struct LabelledRows {
  at::Tensor labels;               // float64 [N]: 0 or 1
  std::vector<at::Tensor> scores;  // float64 [N] each
};

// Rows with another label than 0 and 1 are left out, and so are their scores, whatever those are.
// ERR_SHAPE, ERR_NON_FINITE.
LabelledRows labelled_rows(const at::Tensor& labels, const std::vector<at::Tensor>& scores);

}  // namespace latentray
