#include "metrics/calibration.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "metrics/labelled_rows.h"

namespace latentray {

using at::Tensor;

Calibration calibration(const Tensor& labels, const Tensor& scores, int64_t bins) {
  LATENTRAY_CHECK(bins >= 1, "ERR_INVALID_ARG", "bins: expected at least 1, found ", bins);
  const LabelledRows known = labelled_rows(labels, {scores});
  const Tensor& probabilities = known.scores[0];
  LATENTRAY_CHECK(((probabilities >= 0) & (probabilities <= 1)).all().item<bool>(),
                  "ERR_INVALID_ARG", "scores: expected probabilities, 0 to 1");
  const Tensor bin = (probabilities * bins).floor().clamp_max(bins - 1).to(at::kLong);
  const Tensor counts = at::bincount(bin, {}, bins);
  const Tensor mean_probability = at::bincount(bin, probabilities, bins) / counts;
  const Tensor frequency = at::bincount(bin, known.labels, bins) / counts;
  const Tensor errors = ((mean_probability - frequency).abs() * counts).nan_to_num(0);
  const auto rows = static_cast<double>(known.labels.size(0));
  return {(probabilities - known.labels).square().mean().item<double>(),
          errors.sum().item<double>() / rows, counts, mean_probability, frequency};
}

}  // namespace latentray
