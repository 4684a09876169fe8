#include "ranking.h"

#include "arguments.h"
#include "job.h"
#include "metrics/calibration.h"
#include "metrics/ranking.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

RankingMeasure measure_argument(const Napi::Value& value) {
  const std::string measure = string_argument(value, "measure");
  if (measure == "auroc") return RankingMeasure::kAuroc;
  LATENTRAY_CHECK(measure == "averagePrecision", "ERR_INVALID_ARG",
                  "measure: expected 'auroc' or 'averagePrecision', received '", measure, "'");
  return RankingMeasure::kAveragePrecision;
}

// { draws, confidence, seed }
Bootstrap bootstrap_argument(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {.draws = static_cast<int64_t>(number_argument(object.Get("draws"), "draws")),
          .confidence = number_argument(object.Get("confidence"), "confidence"),
          .seed = seed_argument(object.Get("seed"), "seed")};
}

Napi::Value estimate_to_js(Napi::Env env, Estimate estimate) {
  auto result = Napi::Object::New(env);
  result.Set("value", estimate.value);
  result.Set("lower", estimate.lower);
  result.Set("upper", estimate.upper);
  result.Set("positives", static_cast<double>(estimate.positives));
  result.Set("negatives", static_cast<double>(estimate.negatives));
  return result;
}

// ranking(measure, labels, scores, other scores | null, bootstrap, token): of the scores, or of
// their difference from the others
Napi::Value ranking_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[5]),
        [measure = measure_argument(info[0]), labels = tensor_argument(info[1]),
         scores = tensor_argument(info[2]), others = optional_tensor_argument(info[3]),
         bootstrap = bootstrap_argument(info[4])] {
          return others ? ranking_difference(measure, labels, scores, *others, bootstrap)
                        : ranking(measure, labels, scores, bootstrap);
        },
        estimate_to_js);
  });
}

// calibration(labels, scores, bins, token)
Napi::Value calibration_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[3]),
        [labels = tensor_argument(info[0]), scores = tensor_argument(info[1]),
         bins = static_cast<int64_t>(number_argument(info[2], "bins"))] {
          return calibration(labels, scores, bins);
        },
        [](Napi::Env env, Calibration found) {
          auto result = Napi::Object::New(env);
          result.Set("brier", found.brier);
          result.Set("expectedError", found.expected_error);
          result.Set("counts", tensor_to_js(env, std::move(found.counts)));
          result.Set("probabilities", tensor_to_js(env, std::move(found.probabilities)));
          result.Set("frequencies", tensor_to_js(env, std::move(found.frequencies)));
          return result;
        });
  });
}

}  // namespace

void export_ranking(Napi::Env env, Napi::Object exports) {
  exports.Set("ranking", Napi::Function::New<ranking_job>(env));
  exports.Set("calibration", Napi::Function::New<calibration_job>(env));
}

}  // namespace latentray::binding
