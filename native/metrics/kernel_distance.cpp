#include "metrics/kernel_distance.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "core/cancellation.h"
#include "core/error.h"
#include "metrics/features.h"

namespace latentray {

using at::Tensor;

namespace {

// The kernel's sum over all pairs; over pairs of different rows where a and b are one set.
double kernel_sum(const Tensor& a, const Tensor& b, bool one_set) {
  const auto width = static_cast<double>(a.size(1));
  double sum = 0;
  for (const Tensor& rows : blocks_of(a, b)) {
    cancellation_point();
    sum += (at::mm(rows, b.t()) / width + 1).pow(3).sum().item<double>();
  }
  if (one_set) sum -= (a.square().sum(1) / width + 1).pow(3).sum().item<double>();
  return sum;
}

double unbiased(const Tensor& a, const Tensor& b) {
  const auto n = static_cast<double>(a.size(0));
  const auto m = static_cast<double>(b.size(0));
  return kernel_sum(a, a, true) / (n * (n - 1)) + kernel_sum(b, b, true) / (m * (m - 1)) -
         2 * kernel_sum(a, b, false) / (n * m);
}

std::pair<Tensor, Tensor> checked(const Tensor& a, const Tensor& b) {
  const Tensor rows_a = checked_features(a, "a");
  const Tensor rows_b = checked_features(b, "b");
  check_same_width(rows_a, rows_b);
  const int64_t fewest = std::min(rows_a.size(0), rows_b.size(0));
  LATENTRAY_CHECK(fewest >= 2, "ERR_INVALID_ARG",
                  "features: expected at least 2 rows in each set, found ", fewest);
  return {rows_a, rows_b};
}

}  // namespace

double kernel_distance(const Tensor& a, const Tensor& b) {
  const auto [rows_a, rows_b] = checked(a, b);
  return unbiased(rows_a, rows_b);
}

KernelDistance kernel_distance_of_subsets(const Tensor& a, const Tensor& b, int64_t subsets,
                                          int64_t size, uint64_t seed) {
  const auto [rows_a, rows_b] = checked(a, b);
  const int64_t fewest = std::min(rows_a.size(0), rows_b.size(0));
  LATENTRAY_CHECK(subsets >= 1, "ERR_INVALID_ARG", "subsets: expected at least 1, found ", subsets);
  LATENTRAY_CHECK(size >= 2 && size <= fewest, "ERR_INVALID_ARG", "subset size: expected 2 to the ",
                  fewest, " rows of the smaller set, found ", size);
  auto generator = at::detail::createCPUGenerator(seed);
  const auto draw = [&](const Tensor& rows) {
    return rows.index_select(0,
                             at::randperm(rows.size(0), generator, at::kLong).narrow(0, 0, size));
  };
  Tensor distances = at::empty({subsets}, at::kDouble);
  for (int64_t i = 0; i < subsets; ++i) distances[i] = unbiased(draw(rows_a), draw(rows_b));
  return {distances.mean().item<double>(), distances.std(/*unbiased=*/false).item<double>()};
}

}  // namespace latentray
