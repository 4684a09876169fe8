#include "metrics/precision_recall.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/cancellation.h"
#include "core/error.h"
#include "metrics/features.h"

namespace latentray {

using at::Tensor;

namespace {

// visit(first row, distances [block, N]) for every block of `rows`.
template <class Visit>
void for_distances(const Tensor& rows, const Tensor& references, const Visit& visit) {
  int64_t first = 0;
  for (const Tensor& block : blocks_of(rows, references)) {
    cancellation_point();
    // Through differences, not products: a row is at distance 0 from itself.
    visit(first, at::cdist(block, references, 2, /*compute_mode=*/2));
    first += block.size(0);
  }
}

Tensor ball_radii(const Tensor& rows, int64_t k) {
  Tensor radii = at::empty({rows.size(0)}, at::kDouble);
  for_distances(rows, rows, [&](int64_t first, const Tensor& distances) {
    // The first neighbour is the row itself.
    radii.narrow(0, first, distances.size(0)).copy_(std::get<0>(distances.kthvalue(k + 1, 1)));
  });
  return radii;  // [N]
}

double share(const Tensor& mask) { return mask.to(at::kDouble).mean().item<double>(); }

}  // namespace

PrecisionRecall precision_recall(const Tensor& real, const Tensor& made, int64_t k) {
  const Tensor reals = checked_features(real, "real");
  const Tensor mades = checked_features(made, "made");
  check_same_width(reals, mades);
  const int64_t fewest = std::min(reals.size(0), mades.size(0));
  LATENTRAY_CHECK(k >= 1 && k < fewest, "ERR_INVALID_ARG", "k: expected 1 to ", fewest - 1,
                  ", fewer than the smaller set has rows; found ", k);
  const Tensor real_radii = ball_radii(reals, k);
  const Tensor made_radii = ball_radii(mades, k);
  Tensor made_is_real = at::empty({mades.size(0)}, at::kBool);
  Tensor real_is_made = at::zeros({reals.size(0)}, at::kBool);
  Tensor nearest_made = at::full({reals.size(0)}, INFINITY, at::kDouble);
  double balls = 0;
  for_distances(mades, reals, [&](int64_t first, const Tensor& distances) {  // [block, N]
    const int64_t rows = distances.size(0);
    const Tensor in_real = distances <= real_radii;
    const Tensor in_made = distances <= made_radii.narrow(0, first, rows).unsqueeze(1);
    made_is_real.narrow(0, first, rows).copy_(in_real.any(1));
    real_is_made |= in_made.any(0);
    nearest_made = at::minimum(nearest_made, distances.amin(0));
    balls += in_real.sum().item<double>();
  });
  return {share(made_is_real), share(real_is_made), balls / static_cast<double>(k * mades.size(0)),
          share(nearest_made <= real_radii)};
}

Neighbours nearest_neighbours(const Tensor& rows, const Tensor& references) {
  const Tensor asking = checked_features(rows, "rows");
  const Tensor known = checked_features(references, "references");
  check_same_width(asking, known);
  Neighbours found{at::empty({asking.size(0)}, at::kLong),
                   at::empty({asking.size(0)}, at::kDouble)};
  for_distances(asking, known, [&](int64_t first, const Tensor& distances) {
    const auto [nearest, index] = distances.min(1);
    found.distances.narrow(0, first, distances.size(0)).copy_(nearest);
    found.indices.narrow(0, first, distances.size(0)).copy_(index);
  });
  return found;
}

}  // namespace latentray
