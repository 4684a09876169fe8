#include "nn/learned_rows.h"

#include <ATen/ATen.h>

namespace latentray::nn {

void LearnedRows::set(const at::Tensor& ids, const std::vector<at::Tensor>& rows) {
  ids_ = ids;
  rows_ = rows;
}

void LearnedRows::clear() {
  ids_.reset();
  rows_.clear();
}

at::Tensor LearnedRows::put_into(const at::Tensor& embedded, const at::Tensor& ids) const {
  const auto matches = ids.unsqueeze(-1) == ids_;      // […, K]
  const auto which = matches.to(at::kInt).argmax(-1);  // […]
  const auto learned = at::embedding(at::cat(rows_), which).to(embedded.scalar_type());
  return at::where(matches.any(-1, /*keepdim=*/true), learned, embedded);
}

}  // namespace latentray::nn
