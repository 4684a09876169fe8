// Distances of two sets of features that need every row.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_feature_distances(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
