#include "metrics/frechet_distance.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

// Σ^½ of a symmetric matrix without negative eigenvalues but for rounding.
Tensor symmetric_root(const Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::mm(vectors * values.clamp_min(0).sqrt(), vectors.t());
}

// tr √(Σ₁ Σ₂): Σ₁ Σ₂ has the eigenvalues of the symmetric √Σ₁ Σ₂ √Σ₁.
double trace_of_root_of_product(const Tensor& a, const Tensor& b) {
  const Tensor root = symmetric_root(a);
  cancellation_point();
  const Tensor product = at::mm(at::mm(root, b), root);
  const Tensor values = at::linalg_eigvalsh((product + product.t()) / 2);
  return values.clamp_min(0).sqrt().sum().item<double>();
}

}  // namespace

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b) {
  LATENTRAY_CHECK(a.width() == b.width(), "ERR_SHAPE",
                  "features: expected two sets of one width, found ", a.width(), " and ",
                  b.width());
  const Tensor covariance_a = a.covariance();
  const Tensor covariance_b = b.covariance();
  const double shift = (a.mean() - b.mean()).square().sum().item<double>();
  const double traces = (covariance_a.trace() + covariance_b.trace()).item<double>();
  return shift + traces - 2 * trace_of_root_of_product(covariance_a, covariance_b);
}

}  // namespace latentray
