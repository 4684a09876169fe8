#include "inpainting.h"

#include "arguments.h"
#include "diffusion/inpainting.h"
#include "job.h"
#include "tensor.h"

namespace latentray::binding {

namespace {

Napi::Value mask_to_js(Napi::Env env, const InpaintingMask& mask) {
  auto result = Napi::Object::New(env);
  result.Set("pixels", TensorObject::create(env, mask.pixels));
  result.Set("latents", TensorObject::create(env, mask.latents));
  result.Set("maskedPixels", TensorObject::create(env, mask.masked_pixels));
  return result;
}

// prepareMask(pixels, mask, downscale, token) → { pixels, latents, maskedPixels }
Napi::Value prepare_mask_job(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto pixels = tensor_argument(info[0]);
    return start_job(
        info.Env(), pixels.device().str(), cancel_token_argument(info[3]),
        [pixels, mask = tensor_argument(info[1]),
         downscale = static_cast<int64_t>(number_argument(info[2], "downscale"))] {
          return prepare_mask(pixels, mask, downscale);
        },
        mask_to_js);
  });
}

}  // namespace

void export_inpainting(Napi::Env env, Napi::Object exports) {
  exports.Set("prepareMask", Napi::Function::New<prepare_mask_job>(env));
}

}  // namespace latentray::binding
