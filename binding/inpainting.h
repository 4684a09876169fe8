// What inpainting makes of a mask, for JavaScript.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_inpainting(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
