#include <cmath>
#include <utility>

#include "core/cancellation.h"
#include "metrics/feature_statistics.h"
#include "metrics/frechet_distance.h"
#include "metrics/kernel_distance.h"
#include "metrics/precision_recall.h"
#include "tests/check.h"

namespace latentray::test::feature_distances_test {

void expect_figure(double actual, double expected, double tolerance, const std::string& what) {
  expect(std::abs(actual - expected) <= tolerance,
         c10::str(what, ": expected ", expected, ", found ", actual));
}

FeatureStatistics statistics_of(const at::Tensor& features, int64_t batch = 1000) {
  FeatureStatistics statistics;
  for (const auto& rows : features.split(batch)) statistics.add(rows);
  return statistics;
}

struct GoldenFeatures {
  StateDict file = read_safetensors(golden("metrics/features.safetensors"));
  at::Tensor a = file.tensors.at("a");
  at::Tensor b = file.tensors.at("b");
  double figure(const char* name) const { return std::stod(file.metadata.at(name)); }
};

TEST("feature distances: Fréchet distance and KID equal the reference") {
  const GoldenFeatures features;
  const auto a = statistics_of(features.a);
  const auto b = statistics_of(features.b);
  const double fid = features.figure("fid");
  expect_figure(frechet_distance(a, b), fid, 1e-6 * fid, "fid");
  expect_figure(frechet_distance(b, a), fid, 1e-6 * fid, "the other way round");
  expect_figure(frechet_distance(a, a), 0, 1e-9, "of a set from itself");
  const double few = features.figure("fid_few");
  expect_figure(frechet_distance(statistics_of(features.a.narrow(0, 0, 20)), b), few, 1e-6 * few,
                "fewer rows than columns");
  const double kid = features.figure("kid_poly3_unbiased");
  expect_figure(kernel_distance(features.a, features.b), kid, 1e-6 * kid, "kid");
}

TEST("feature distances: batches, merged parts and a file give one statistic") {
  const at::Tensor rows = at::randn({101, 7}, at::kDouble) * 3 + 100;
  const auto whole = statistics_of(rows);
  auto merged = statistics_of(rows.narrow(0, 0, 40), 9);
  merged.merge(FeatureStatistics());
  merged.merge(statistics_of(rows.narrow(0, 40, 61), 13));
  FeatureStatistics into_nothing;
  into_nothing.merge(whole);
  const auto read = FeatureStatistics::of_state(merged.state());
  const at::Tensor covariance = at::cov(rows.t());
  for (const FeatureStatistics* each :
       {&whole, &std::as_const(merged), &std::as_const(into_nothing), &read}) {
    expect(each->count() == 101 && each->width() == 7, "count and width");
    expect_close(each->mean(), rows.mean(0), 1e-12, "mean");
    expect_close(each->covariance(), covariance, 1e-12, "covariance");
  }
  merged.add(rows);
  expect(read.count() == 101, "what was read is its own");
}

TEST("feature distances: a wrong batch changes nothing") {
  const at::Tensor rows = at::randn({5, 3}, at::kDouble);
  auto statistics = statistics_of(rows);
  expect_error("ERR_SHAPE", [&] { statistics.add(at::zeros({2, 4})); });
  expect_error("ERR_SHAPE", [&] { statistics.add(at::zeros({0, 3})); });
  expect_error("ERR_SHAPE", [&] { statistics.add(at::zeros({3})); });
  expect_error("ERR_SHAPE", [&] { statistics.merge(statistics_of(at::zeros({2, 4}))); });
  expect_error("ERR_DTYPE", [&] { statistics.add(at::zeros({2, 3}, at::kLong)); });
  expect_error("ERR_NON_FINITE", [&] { statistics.add(at::full({2, 3}, NAN)); });
  expect(statistics.count() == 5 && statistics.mean().equal(statistics_of(rows).mean()), "kept");
}

TEST("feature distances: too little is named") {
  const auto one = statistics_of(at::zeros({1, 3}));
  expect_error("ERR_INVALID_ARG", [&] { FeatureStatistics().mean(); });
  expect_error("ERR_INVALID_ARG", [&] { one.covariance(); });
  expect_error("ERR_INVALID_ARG", [&] { frechet_distance(one, one); });
  expect_error("ERR_SHAPE", [&] {
    frechet_distance(statistics_of(at::zeros({2, 3})), statistics_of(at::zeros({2, 4})));
  });
  StateDict broken = one.state();
  broken.metadata["count"] = "0";
  expect_error("ERR_WEIGHTS_CORRUPT", [&] { FeatureStatistics::of_state(broken); });
  broken = one.state();
  broken.tensors["scatter"] = at::zeros({2, 2});
  expect_error("ERR_WEIGHTS_SHAPE", [&] { FeatureStatistics::of_state(broken); });
  broken.tensors.erase("mean");
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { FeatureStatistics::of_state(broken); });
}

TEST("feature distances: constant features have a distance too") {
  const auto zeros = statistics_of(at::zeros({4, 3}));
  const auto twos = statistics_of(at::full({5, 3}, 2.0));
  expect_figure(frechet_distance(zeros, twos), 12, 1e-12, "of two points");
}

TEST("kernel distance: subsets of everything are the whole, and follow the seed") {
  const at::Tensor a = at::randn({40, 6}, at::kDouble);
  const at::Tensor b = at::randn({40, 6}, at::kDouble) + 0.5;
  const auto whole = kernel_distance_of_subsets(a, b, 3, 40, 1);
  expect_figure(whole.mean, kernel_distance(a, b), 1e-12, "all rows");
  expect_figure(whole.deviation, 0, 1e-12, "deviation");
  const auto part = kernel_distance_of_subsets(a, b, 20, 15, 1);
  expect(part.deviation > 0, "parts differ");
  expect(kernel_distance_of_subsets(a, b, 20, 15, 1).mean == part.mean, "the same seed");
  expect(kernel_distance_of_subsets(a, b, 20, 15, 2).mean != part.mean, "another seed");
  expect_error("ERR_INVALID_ARG", [&] { kernel_distance_of_subsets(a, b, 1, 41, 0); });
  expect_error("ERR_INVALID_ARG", [&] { kernel_distance_of_subsets(a, b, 0, 10, 0); });
  expect_error("ERR_INVALID_ARG", [&] { kernel_distance(a.narrow(0, 0, 1), b); });
  expect_error("ERR_SHAPE", [&] { kernel_distance(a, b.narrow(1, 0, 5)); });
}

// The definitions, pair by pair.
PrecisionRecall counted(const at::Tensor& real, const at::Tensor& made, int64_t k) {
  const auto distance = [](const at::Tensor& x, const at::Tensor& y) {
    return (x - y).norm().item<double>();
  };
  const auto radius = [&](const at::Tensor& set, int64_t row) {
    std::vector<double> distances;
    for (int64_t i = 0; i < set.size(0); ++i) {
      if (i != row) distances.push_back(distance(set[row], set[i]));
    }
    std::sort(distances.begin(), distances.end());
    return distances.at(k - 1);
  };
  const auto n = static_cast<double>(real.size(0));
  const auto m = static_cast<double>(made.size(0));
  PrecisionRecall result{};
  for (int64_t j = 0; j < made.size(0); ++j) {
    int64_t balls = 0;
    for (int64_t i = 0; i < real.size(0); ++i) {
      balls += distance(made[j], real[i]) <= radius(real, i) ? 1 : 0;
    }
    result.precision += (balls > 0 ? 1 : 0) / m;
    result.density += static_cast<double>(balls) / (static_cast<double>(k) * m);
  }
  for (int64_t i = 0; i < real.size(0); ++i) {
    bool recalled = false;
    bool covered = false;
    for (int64_t j = 0; j < made.size(0); ++j) {
      const double d = distance(real[i], made[j]);
      recalled |= d <= radius(made, j);
      covered |= d <= radius(real, i);
    }
    result.recall += (recalled ? 1 : 0) / n;
    result.coverage += (covered ? 1 : 0) / n;
  }
  return result;
}

TEST("precision and recall: equal the definitions, counted pair by pair") {
  const auto generator = at::detail::createCPUGenerator(8);
  const at::Tensor real = at::randn({24, 3}, generator, at::kDouble);
  const at::Tensor made = at::randn({19, 3}, generator, at::kDouble) * 0.7 + 0.6;
  for (const int64_t k : {1, 3}) {
    const auto found = precision_recall(real, made, k);
    const auto expected = counted(real, made, k);
    expect_figure(found.precision, expected.precision, 1e-12, "precision");
    expect_figure(found.recall, expected.recall, 1e-12, "recall");
    expect_figure(found.density, expected.density, 1e-12, "density");
    expect_figure(found.coverage, expected.coverage, 1e-12, "coverage");
  }
  const auto same = precision_recall(real, real, 2);
  expect(same.precision == 1 && same.recall == 1 && same.coverage == 1, "a set against itself");
  const auto far = precision_recall(real, made + 100, 2);
  expect(far.precision == 0 && far.recall == 0 && far.density == 0, "a set far away");
}

TEST("precision and recall: duplicates, and misuse is named") {
  const at::Tensor rows = at::ones({5, 2});
  expect(precision_recall(rows, rows, 2).precision == 1, "balls of no radius hold their own row");
  expect_error("ERR_INVALID_ARG", [&] { precision_recall(rows, rows, 5); });
  expect_error("ERR_INVALID_ARG", [&] { precision_recall(rows, rows, 0); });
  expect_error("ERR_SHAPE", [&] { precision_recall(rows, at::ones({5, 3}), 2); });
  expect_error("ERR_NON_FINITE", [&] { precision_recall(rows, rows * INFINITY, 2); });
}

TEST("nearest neighbours: the row itself is found") {
  const at::Tensor references = at::randn({50, 4}, at::kDouble);
  const auto found = nearest_neighbours(references.flip(0) + 1e-6, references);
  expect(found.indices.equal(at::arange(49, -1, -1, at::kLong)), "indices");
  expect_figure(found.distances.max().item<double>(), 2e-6, 1e-9, "distances");
}

}  // namespace latentray::test::feature_distances_test
