#include "metrics.h"

#include "arguments.h"
#include "core/error.h"
#include "job.h"
#include "metrics/image_similarity.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

SsimBorder border_argument(const Napi::Value& value) {
  const std::string border = string_argument(value, "border");
  if (border == "cropped") return SsimBorder::kCropped;
  LATENTRAY_CHECK(border == "reflected", "ERR_INVALID_ARG",
                  "border: expected 'cropped' or 'reflected', received '", border, "'");
  return SsimBorder::kReflected;
}

at::Tensor similarity(const std::string& metric, const at::Tensor& a, const at::Tensor& b,
                      double data_range, SsimBorder border) {
  if (metric == "rmse") return rmse(a, b);
  if (metric == "psnr") return psnr(a, b, data_range);
  if (metric == "ssim") return ssim(a, b, data_range, border);
  if (metric == "msSsim") return ms_ssim(a, b, data_range, border);
  throw Error("ERR_INVALID_ARG", "unknown metric '" + metric + "'");
}

// imageSimilarity(metric, a, b, dataRange, border, token) → float64 [N]
Napi::Value image_similarity(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[5]),
        [metric = string_argument(info[0], "metric"), a = tensor_argument(info[1]),
         b = tensor_argument(info[2]), range = number_argument(info[3], "dataRange"),
         border = border_argument(info[4])] { return similarity(metric, a, b, range, border); },
        tensor_to_js);
  });
}

}  // namespace

void export_metrics(Napi::Env env, Napi::Object exports) {
  exports.Set("imageSimilarity", Napi::Function::New<image_similarity>(env));
}

}  // namespace latentray::binding
