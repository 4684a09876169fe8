#include "training/autocast.h"

#include <ATen/autocast_mode.h>

namespace latentray {

Autocast::Autocast(c10::DeviceType device, c10::ScalarType dtype)
    : active_(dtype != c10::ScalarType::Float), device_(device) {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device);
  previous_dtype_ = at::autocast::get_autocast_dtype(device);
  at::autocast::set_autocast_enabled(device, true);
  at::autocast::set_autocast_dtype(device, dtype);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  // Casts of weights that the step is about to change.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, previous_dtype_);
}

}  // namespace latentray
