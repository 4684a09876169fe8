// PyTorch's dtype names, as users write them, and at::ScalarType.
#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace latentray {

// "float32", "bfloat16", "int64" …; ERR_DTYPE for anything else.
at::ScalarType parse_dtype(const std::string& name);
std::string dtype_name(at::ScalarType dtype);

}  // namespace latentray
