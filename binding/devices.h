// What the machine and the build offer: versions, devices, threads, live native memory.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_devices(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
