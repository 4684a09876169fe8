// Spectra of images.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_power_spectrum(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
