#include "metrics/ranking.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/cancellation.h"
#include "metrics/calibration.h"
#include "tests/check.h"

namespace latentray::test::ranking_test {

at::Tensor numbers(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

void expect_figure(double actual, double expected, double tolerance, const std::string& what) {
  expect(std::abs(actual - expected) <= tolerance * std::abs(expected),
         c10::str(what, ": expected ", expected, ", found ", actual));
}

double auroc(const at::Tensor& labels, const at::Tensor& scores) {
  return ranking(RankingMeasure::kAuroc, labels, scores).value;
}

TEST("ranking: AUROC and average precision equal the reference") {
  const StateDict golden_case = read_safetensors(golden("metrics/classifier.safetensors"));
  const auto figures = [&](const char* name) {
    return nlohmann::json::parse(golden_case.metadata.at(name)).get<std::vector<double>>();
  };
  const at::Tensor& labels = golden_case.tensors.at("labels");
  const at::Tensor& scores = golden_case.tensors.at("scores");
  for (int64_t i = 0; i < labels.size(1); ++i) {
    const auto of = [&](RankingMeasure measure) {
      return ranking(measure, labels.select(1, i), scores.select(1, i));
    };
    const Estimate area = of(RankingMeasure::kAuroc);
    expect_figure(area.value, figures("auroc").at(i), 1e-12, "AUROC");
    expect_figure(of(RankingMeasure::kAveragePrecision).value, figures("average_precision").at(i),
                  1e-12, "average precision");
    expect(area.positives == (labels.select(1, i) == 1).sum().item<int64_t>(), "positives");
    expect(area.negatives == (labels.select(1, i) == 0).sum().item<int64_t>(), "negatives");
  }
}

TEST("ranking: equal scores count as half") {
  expect_figure(auroc(numbers({1, 0, 1, 0}), numbers({1, 1, 1, 1})), 0.5, 0, "all equal");
  // Pairs (0.8, 0.4), (0.8, 0.5), (0.5, 0.4) are right, (0.5, 0.5) is half right.
  expect_figure(auroc(numbers({1, 1, 0, 0}), numbers({0.8, 0.5, 0.5, 0.4})), 3.5 / 4, 1e-15, "one");
  const auto precision = ranking(RankingMeasure::kAveragePrecision, numbers({1, 1, 0, 0}),
                                 numbers({0.8, 0.5, 0.5, 0.4}));
  expect_figure(precision.value, 0.5 * 1 + 0.5 * 2 / 3, 1e-15, "average precision");
}

TEST("ranking: one class alone has no figure") {
  expect(std::isnan(auroc(numbers({1, 1}), numbers({1, 2}))), "positives alone");
  expect(std::isnan(auroc(numbers({0, -1}), numbers({1, 2}))), "negatives alone");
  expect(std::isnan(auroc(at::empty({0}), at::empty({0}))), "nothing");
  // The score of a row that is left out may be anything.
  expect_figure(auroc(numbers({1, 0, NAN}), numbers({2, 1, NAN})), 1, 0, "a row left out");
}

TEST("ranking: the interval covers as often as it says, and follows the seed") {
  const auto generator = at::detail::createCPUGenerator(5);
  const double truth = 0.5 * (1 + std::erf(1 / 2.0));  // of two normals one deviation apart
  const Bootstrap bootstrap{.draws = 200, .confidence = 0.9, .seed = 3};
  int covered = 0;
  for (int round = 0; round < 100; ++round) {
    const at::Tensor labels = at::cat({at::ones({80}), at::zeros({80})});
    const at::Tensor scores = at::randn({160}, generator) + labels;
    const Estimate area = ranking(RankingMeasure::kAuroc, labels, scores, bootstrap);
    expect(area.lower < area.value && area.value < area.upper, "around the value");
    covered += area.lower <= truth && truth <= area.upper ? 1 : 0;
    if (round > 0) continue;
    const Estimate again = ranking(RankingMeasure::kAuroc, labels, scores, bootstrap);
    expect(again.lower == area.lower && again.upper == area.upper, "the same seed");
    const Bootstrap other{.draws = 200, .confidence = 0.9, .seed = 4};
    const Estimate changed = ranking(RankingMeasure::kAuroc, labels, scores, other);
    expect(changed.lower != area.lower, "another seed");
  }
  expect(covered >= 80 && covered <= 98, c10::str("covered ", covered, " of 100"));
}

TEST("ranking: a difference is drawn in pairs") {
  const auto generator = at::detail::createCPUGenerator(6);
  const at::Tensor labels = at::cat({at::ones({200}), at::zeros({200})});
  const at::Tensor scores = at::randn({400}, generator) + labels;
  const at::Tensor worse = scores + 0.3 * at::randn({400}, generator);
  const Bootstrap bootstrap{.draws = 300};
  const Estimate same =
      ranking_difference(RankingMeasure::kAuroc, labels, scores, scores * 2, bootstrap);
  expect(same.value == 0 && same.lower == 0 && same.upper == 0, "the same order");
  const Estimate paired =
      ranking_difference(RankingMeasure::kAuroc, labels, scores, worse, bootstrap);
  const Estimate one = ranking(RankingMeasure::kAuroc, labels, scores, bootstrap);
  expect_figure(paired.value, one.value - auroc(labels, worse), 1e-12, "difference");
  expect(paired.upper - paired.lower < 0.6 * (one.upper - one.lower), "pairs share their luck");
}

TEST("ranking: misuse is named") {
  const at::Tensor labels = numbers({1, 0});
  const at::Tensor scores = numbers({1, 0});
  const auto rank = [&](const at::Tensor& of, const at::Tensor& by, const Bootstrap& bootstrap) {
    ranking(RankingMeasure::kAuroc, of, by, bootstrap);
  };
  expect_error("ERR_SHAPE", [&] { rank(labels, numbers({1}), {}); });
  expect_error("ERR_SHAPE", [&] { rank(at::ones({2, 1}), at::ones({2, 1}), {}); });
  expect_error("ERR_NON_FINITE", [&] { rank(labels, numbers({1, NAN}), {}); });
  expect_error("ERR_INVALID_ARG", [&] { rank(labels, scores, {.draws = -1}); });
  for (const double confidence : {0.0, 1.0, double{NAN}}) {
    expect_error("ERR_INVALID_ARG",
                 [&] { rank(labels, scores, {.draws = 1, .confidence = confidence}); });
  }
}

TEST("ranking: a fired token stops the draws") {
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  bool stopped = false;
  try {
    ranking(RankingMeasure::kAuroc, numbers({1, 0}), numbers({1, 0}), {.draws = 10});
  } catch (const Cancelled&) {
    stopped = true;
  }
  expect(stopped, "stopped");
}

TEST("calibration: Brier score and expected error of a case that is counted by hand") {
  const auto result =
      calibration(numbers({0, 1, 1, 1, 0, -1}), numbers({0.1, 0.3, 0.8, 1, 0.9, 0.5}), 2);
  expect_figure(result.brier, (0.01 + 0.49 + 0.04 + 0 + 0.81) / 5, 1e-12, "brier");
  expect(result.counts.equal(at::tensor({2, 3}, at::kLong)), "counts");
  expect_close(result.probabilities, numbers({0.2, 0.9}), 1e-12, "probabilities");
  expect_close(result.frequencies, numbers({0.5, 2 / 3.0}), 1e-12, "frequencies");
  expect_figure(result.expected_error, (2 * 0.3 + 3 * (0.9 - 2 / 3.0)) / 5, 1e-12, "error");
  const auto sparse = calibration(numbers({1}), numbers({0.05}), 10);
  expect(sparse.probabilities[5].isnan().item<bool>(), "an empty bin");
  expect_figure(sparse.expected_error, 0.95, 1e-12, "empty bins count nothing");
}

TEST("calibration: misuse is named") {
  expect_error("ERR_INVALID_ARG", [] { calibration(numbers({1}), numbers({1.1}), 10); });
  expect_error("ERR_INVALID_ARG", [] { calibration(numbers({1}), numbers({0.5}), 0); });
  expect_error("ERR_NON_FINITE", [] { calibration(numbers({1}), numbers({NAN}), 10); });
}

}  // namespace latentray::test::ranking_test
