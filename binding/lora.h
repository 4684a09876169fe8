// LoRA adapters of a U-Net or a text encoder.
#pragma once

#include <napi.h>

namespace latentray::binding {

void export_lora(Napi::Env env, Napi::Object exports);

}  // namespace latentray::binding
