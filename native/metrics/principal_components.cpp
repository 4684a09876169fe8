#include "metrics/principal_components.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "metrics/features.h"

namespace latentray {

PrincipalComponents principal_components(const at::Tensor& features, int64_t count) {
  const at::Tensor rows = checked_features(features, "features");
  const int64_t most = std::min(rows.size(0), rows.size(1));
  LATENTRAY_CHECK(rows.size(0) >= 2, "ERR_SHAPE", "features: expected at least 2 rows, found ",
                  rows.sizes());
  LATENTRAY_CHECK(count >= 1 && count <= most, "ERR_INVALID_ARG", "count: expected 1 to ", most,
                  " for features ", rows.sizes(), ", found ", count);
  const at::Tensor centred = rows - rows.mean(0);
  const auto [left, lengths, directions] = at::linalg_svd(centred, /*full_matrices=*/false);
  const at::Tensor largest = directions.abs().argmax(1, /*keepdim=*/true);
  const at::Tensor signs = directions.gather(1, largest).sign().flatten();
  const at::Tensor variance = lengths.square();
  return {(left * lengths * signs).narrow(1, 0, count).contiguous(),
          variance / variance.sum().clamp_min(1e-300)};
}

}  // namespace latentray
