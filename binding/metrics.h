// Metrics of images.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_metrics(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
