// Half precision where it is safe: LibTorch's autocast for the current thread until the scope ends.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace latentray {

class Autocast {
 public:
  // float32 leaves everything as it is.
  Autocast(c10::DeviceType device, c10::ScalarType dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool active_;
  c10::DeviceType device_;
  bool was_enabled_ = false;
  c10::ScalarType previous_dtype_ = c10::ScalarType::Float;
};

}  // namespace latentray
