#include "metrics/features.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"

namespace latentray {

at::Tensor checked_features(const at::Tensor& features, const char* name) {
  LATENTRAY_CHECK(features.dim() == 2 && features.numel() > 0, "ERR_SHAPE", name,
                  ": expected [N, D] with at least one row, found ", features.sizes());
  LATENTRAY_CHECK(features.is_floating_point(), "ERR_DTYPE", name,
                  ": expected floating point, found ", features.scalar_type());
  const at::Tensor rows = features.to(at::kCPU, at::kDouble);
  LATENTRAY_CHECK(rows.isfinite().all().item<bool>(), "ERR_NON_FINITE", name,
                  ": expected finite values, found NaN or infinity");
  return rows;
}

void check_same_width(const at::Tensor& a, const at::Tensor& b) {
  LATENTRAY_CHECK(a.size(1) == b.size(1), "ERR_SHAPE",
                  "features: expected two sets of one width, found ", a.sizes(), " and ",
                  b.sizes());
}

std::vector<at::Tensor> blocks_of(const at::Tensor& rows, const at::Tensor& others) {
  constexpr int64_t kPairs = 1 << 21;  // 16 MB of float64
  return rows.split(std::clamp<int64_t>(kPairs / others.size(0), 1, 1024));
}

}  // namespace latentray
