// Where tensors live. A device is chosen explicitly and never replaced by another.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace latentray {

// "cpu", "cuda" (= "cuda:0") or "cuda:N"; ERR_DEVICE_UNAVAILABLE when this build or machine lacks
// it.
at::Device parse_device(const std::string& name);
std::string device_name(const at::Device& device);

bool cuda_is_available();
int cuda_device_count();

}  // namespace latentray
