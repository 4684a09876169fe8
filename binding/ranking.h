// Measures of scores against labels.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_ranking(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
