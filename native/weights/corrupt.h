// The one way to say that a weight file is broken.
#pragma once

#include <string>

#include "core/error.h"

namespace latentray {

[[noreturn]] inline void corrupt(const std::string& path, const std::string& what) {
  throw Error("ERR_WEIGHTS_CORRUPT", path + ": " + what, {{"path", path}});
}

}  // namespace latentray
