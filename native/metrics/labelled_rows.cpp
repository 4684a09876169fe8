#include "metrics/labelled_rows.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace latentray {

using at::Tensor;

LabelledRows labelled_rows(const Tensor& labels, const std::vector<Tensor>& scores) {
  LATENTRAY_CHECK(labels.dim() == 1, "ERR_SHAPE", "labels: expected [N], found ", labels.sizes());
  const Tensor all = labels.to(at::kCPU, at::kDouble);
  const Tensor rows = ((all == 0) | (all == 1)).nonzero().squeeze(1);
  LabelledRows known{all.index_select(0, rows), {}};
  for (const Tensor& each : scores) {
    LATENTRAY_CHECK(each.sizes() == labels.sizes(), "ERR_SHAPE",
                    "scores: expected one for each of the ", labels.size(0), " labels, found ",
                    each.sizes());
    const Tensor chosen = each.to(at::kCPU, at::kDouble).index_select(0, rows);
    LATENTRAY_CHECK(chosen.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                    "scores: expected finite values, found NaN or infinity");
    known.scores.push_back(chosen);
  }
  return known;
}

}  // namespace latentray
