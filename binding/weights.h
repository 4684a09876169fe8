// safetensors files as dictionaries of tensor handles.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_weights(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
