#include "metrics.h"

#include "arguments.h"
#include "core/error.h"
#include "job.h"
#include "metrics/image_similarity.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

at::Tensor similarity(const std::string& metric, const at::Tensor& a, const at::Tensor& b,
                      double data_range) {
  if (metric == "rmse") return rmse(a, b);
  if (metric == "psnr") return psnr(a, b, data_range);
  if (metric == "ssim") return ssim(a, b, data_range);
  if (metric == "msSsim") return ms_ssim(a, b, data_range);
  throw Error("ERR_INVALID_ARG", "unknown metric '" + metric + "'");
}

// imageSimilarity(metric, a, b, dataRange, token) → float64 [N]
Napi::Value image_similarity(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[4]),
        [metric = string_argument(info[0], "metric"), a = tensor_argument(info[1]),
         b = tensor_argument(info[2]),
         range = number_argument(info[3], "dataRange")] { return similarity(metric, a, b, range); },
        tensor_to_js);
  });
}

}  // namespace

void export_metrics(Napi::Env env, Napi::Object exports) {
  exports.Set("imageSimilarity", Napi::Function::New<image_similarity>(env));
}

}  // namespace latentray::binding
