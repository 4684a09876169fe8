// What features hold: the linear probe, and principal components.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_feature_probes(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
