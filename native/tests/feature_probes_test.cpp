#include <cmath>

#include "metrics/linear_probe.h"
#include "metrics/principal_components.h"
#include "tests/check.h"

namespace latentray::test::feature_probes_test {

at::Tensor table(const std::vector<double>& values, int64_t columns) {
  return at::tensor(values, at::kDouble).view({-1, columns});
}

// One column, ±1, so already of mean 0 and variance 1: the minimum of Σ log-loss + l2 / 2 · w² lies
// where rows · σ(−w) = l2 · w, the intercept is 0.
struct SeparableRows {
  at::Tensor features = table({1, 1, 1, 1, -1, -1, -1, -1}, 1);
  at::Tensor labels = table({1, 1, 1, 1, 0, 0, 0, 0}, 1);
  double l2_of_weight(double weight) const { return 8 / (1 + std::exp(weight)) / weight; }
};

TEST("linear probe: separable rows have the weight that the penalty allows") {
  const SeparableRows rows;
  const at::Tensor queries = table({1, -1, 0, 2.5}, 1);
  for (const double weight : {0.1, 2.0, 6.0}) {
    const double l2 = rows.l2_of_weight(weight);
    expect_close(linear_probe(rows.features, rows.labels, queries, l2), queries * weight, 1e-6,
                 c10::str("log odds of weight ", weight));
    // The columns' own mean and scale are taken off first.
    expect_close(linear_probe(rows.features * 3 + 7, rows.labels, queries * 3 + 7, l2),
                 queries * weight, 1e-6, "moved and scaled");
  }
}

TEST("linear probe: features that say nothing leave the labels' own odds") {
  const at::Tensor features = at::full({4, 2}, 5.0, at::kFloat);
  const at::Tensor found = linear_probe(features, table({1, 0, 1, 1}, 1), at::rand({3, 2}), 1);
  expect_close(found, at::full({3, 1}, std::log(3.0), at::kDouble), 1e-6, "3 of 4");
}

TEST("linear probe: each label is learned from its known rows alone") {
  const SeparableRows rows;
  const at::Tensor features = at::cat({rows.features, table({90, -70}, 1)});
  const at::Tensor known = at::cat({rows.labels, table({-1, NAN}, 1)});
  const at::Tensor positive = at::ones_like(known);
  const at::Tensor found =
      linear_probe(features, at::cat({known, positive, 1 - known}, 1), rows.features, 1);
  expect(found[0][0].item<double>() > 0 && found[4][0].item<double>() < 0, "a line is found");
  expect(found.select(1, 1).isnan().all().item<bool>(), "one class alone has no line");
  expect_close(found.select(1, 2), -found.select(1, 0), 1e-6, "the opposite label");
  // Rows of unknown label still belong to the columns' mean and scale.
  const at::Tensor moved = (rows.features - features.mean()) / features.std(/*unbiased=*/false);
  const at::Tensor slope = (found[0][0] - found[4][0]) / (moved[0][0] - moved[4][0]);
  expect_close(found.select(1, 0), found[0][0] + slope * (moved - moved[0][0]).flatten(), 1e-9,
               "on one line");
}

TEST("linear probe: misuse is named") {
  const SeparableRows rows;
  const auto probe = [&](const at::Tensor& features, const at::Tensor& labels,
                         const at::Tensor& queries, double l2) {
    return [=] { linear_probe(features, labels, queries, l2); };
  };
  const at::Tensor& features = rows.features;
  expect_error("ERR_SHAPE", probe(features, rows.labels.flatten(), features, 1));
  expect_error("ERR_SHAPE", probe(features, rows.labels.narrow(0, 0, 7), features, 1));
  expect_error("ERR_SHAPE", probe(features, rows.labels, at::zeros({2, 2}), 1));
  expect_error("ERR_SHAPE", probe(at::zeros({0, 1}), at::zeros({0, 1}), features, 1));
  expect_error("ERR_DTYPE", probe(features.to(at::kLong), rows.labels, features, 1));
  expect_error("ERR_NON_FINITE", probe(features / 0, rows.labels, features, 1));
  expect_error("ERR_NON_FINITE", probe(features, rows.labels, features * NAN, 1));
  for (const double l2 : {0.0, -1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    expect_error("ERR_INVALID_ARG", probe(features, rows.labels, features, l2));
  }
}

// Rows along two known directions: ±6 along (0.6, 0.8), ±2 along (−0.8, 0.6), about (10, −4).
const at::Tensor& known_rows() {
  static const at::Tensor rows =
      table({13.6, 0.8, 6.4, -8.8, 8.4, -2.8, 11.6, -5.2}, 2).contiguous();
  return rows;
}

TEST("principal components: a known covariance gives its directions and shares") {
  const auto [scores, variance] = principal_components(known_rows(), 2);
  // The second direction is (0.8, −0.6): its largest entry is made positive.
  expect_close(scores, table({6, 0, -6, 0, 0, -2, 0, 2}, 2), 1e-12, "scores");
  expect_close(variance, at::tensor({0.9, 0.1}, at::kDouble), 1e-12, "shares");
  const auto first = principal_components(known_rows().to(at::kFloat), 1);
  expect_close(first.scores, scores.narrow(1, 0, 1), 1e-6, "one direction alone");
  expect_close(first.variance, variance, 1e-6, "all shares are said");
}

TEST("principal components: fewer rows than columns, and rows without variance") {
  const at::Tensor rows = table({0, 0, 0, 3, 4, 0}, 3);
  const auto line = principal_components(rows, 1);
  expect_close(line.scores, table({-2.5, 2.5}, 1), 1e-12, "two points");
  expect_close(line.variance, at::tensor({1.0, 0.0}, at::kDouble), 1e-12, "share");
  const auto none = principal_components(at::ones({3, 2}), 2);
  expect(none.scores.eq(0).all().item<bool>(), "scores of one point");
  expect(none.variance.eq(0).all().item<bool>(), "shares of nothing");
}

TEST("principal components: misuse is named") {
  const at::Tensor rows = known_rows();
  expect_error("ERR_SHAPE", [&] { principal_components(rows.narrow(0, 0, 1), 1); });
  expect_error("ERR_SHAPE", [&] { principal_components(rows.flatten(), 1); });
  expect_error("ERR_INVALID_ARG", [&] { principal_components(rows, 0); });
  expect_error("ERR_INVALID_ARG", [&] { principal_components(rows, 3); });
  expect_error("ERR_DTYPE", [&] { principal_components(rows.to(at::kLong), 1); });
  expect_error("ERR_NON_FINITE", [&] { principal_components(rows * NAN, 1); });
}

}  // namespace latentray::test::feature_probes_test
