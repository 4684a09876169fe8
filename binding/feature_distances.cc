#include "feature_distances.h"

#include "arguments.h"
#include "job.h"
#include "metrics/kernel_distance.h"
#include "metrics/precision_recall.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

int64_t integer_argument(const Napi::Value& value, const char* name) {
  return static_cast<int64_t>(number_argument(value, name));
}

// kernelDistance(a, b, subsets, size, seed, token) → [mean, deviation]; no subsets: over all rows
Napi::Value kernel_distance_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[5]),
        [a = tensor_argument(info[0]), b = tensor_argument(info[1]),
         subsets = integer_argument(info[2], "subsets"), size = integer_argument(info[3], "size"),
         seed = seed_argument(info[4], "seed")] {
          return subsets == 0 ? KernelDistance{kernel_distance(a, b), 0}
                              : kernel_distance_of_subsets(a, b, subsets, size, seed);
        },
        [](Napi::Env env, KernelDistance found) {
          return to_js(env, std::vector<double>{found.mean, found.deviation});
        });
  });
}

// precisionRecall(real, made, k, token) → [precision, recall, density, coverage]
Napi::Value precision_recall_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[3]),
        [real = tensor_argument(info[0]), made = tensor_argument(info[1]),
         k = integer_argument(info[2], "k")] { return precision_recall(real, made, k); },
        [](Napi::Env env, PrecisionRecall found) {
          return to_js(env, std::vector<double>{found.precision, found.recall, found.density,
                                                found.coverage});
        });
  });
}

// nearestNeighbours(rows, references, token) → { indices: int64 [M], distances: float64 [M] }
Napi::Value nearest_neighbours_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[2]),
        [rows = tensor_argument(info[0]), references = tensor_argument(info[1])] {
          return nearest_neighbours(rows, references);
        },
        [](Napi::Env env, Neighbours found) {
          auto result = Napi::Object::New(env);
          result.Set("indices", tensor_to_js(env, std::move(found.indices)));
          result.Set("distances", tensor_to_js(env, std::move(found.distances)));
          return result;
        });
  });
}

}  // namespace

void export_feature_distances(Napi::Env env, Napi::Object exports) {
  exports.Set("kernelDistance", Napi::Function::New<kernel_distance_job>(env));
  exports.Set("precisionRecall", Napi::Function::New<precision_recall_job>(env));
  exports.Set("nearestNeighbours", Napi::Function::New<nearest_neighbours_job>(env));
}

}  // namespace latentray::binding
