#include "power_spectrum.h"

#include "job.h"
#include "metrics/power_spectrum.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

// powerSpectrum(images, token) → float64 [N, rings]
Napi::Value power_spectrum_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return start_job(
        info.Env(), "cpu", cancel_token_argument(info[1]),
        [images = tensor_argument(info[0])] { return power_spectrum(images); }, tensor_to_js);
  });
}

}  // namespace

void export_power_spectrum(Napi::Env env, Napi::Object exports) {
  exports.Set("powerSpectrum", Napi::Function::New<power_spectrum_job>(env));
}

}  // namespace latentray::binding
