// Seeded generators as a handle: what stochastic schedulers and latent sampling draw from.
#pragma once

#include <napi.h>

#include <memory>

#include "core/seeded_noise.h"
#include "object.h"

namespace latentray::binding {

class NoiseSourceObject : public Object<NoiseSourceObject, std::shared_ptr<NoiseSource>> {
 public:
  static constexpr const char* kName = "NoiseSource";
  using Object::Object;

  static Napi::Function define(Napi::Env env);
  static int64_t bytes_of(const std::shared_ptr<NoiseSource>&) { return 0; }
  static void export_functions(Napi::Env env, Napi::Object exports);
};

}  // namespace latentray::binding
