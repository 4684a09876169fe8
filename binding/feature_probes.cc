#include "feature_probes.h"

#include "arguments.h"
#include "job.h"
#include "metrics/linear_probe.h"
#include "metrics/principal_components.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

// linearProbe(features, labels, queries, l2, token) → float64 [M, L]
Napi::Value linear_probe_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[4]),
        [features = tensor_argument(info[0]), labels = tensor_argument(info[1]),
         queries = tensor_argument(info[2]), l2 = number_argument(info[3], "l2")] {
          return linear_probe(features, labels, queries, l2);
        },
        tensor_to_js);
  });
}

// principalComponents(features, count, token) → { scores, variance }
Napi::Value principal_components_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[2]),
        [features = tensor_argument(info[0]),
         count = static_cast<int64_t>(number_argument(info[1], "count"))] {
          return principal_components(features, count);
        },
        [](Napi::Env env, PrincipalComponents result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("scores", tensor_to_js(env, std::move(result.scores)));
          object.Set("variance", tensor_to_js(env, std::move(result.variance)));
          return object;
        });
  });
}

}  // namespace

void export_feature_probes(Napi::Env env, Napi::Object exports) {
  exports.Set("linearProbe", Napi::Function::New<linear_probe_job>(env));
  exports.Set("principalComponents", Napi::Function::New<principal_components_job>(env));
}

}  // namespace latentray::binding
