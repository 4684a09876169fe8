// Where tensors live. A device is chosen explicitly and never replaced by another.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace latentray {

// "cpu", "cuda" (= "cuda:0") or "cuda:N"; ERR_DEVICE_UNAVAILABLE when this build or machine lacks
// it.
at::Device parse_device(const std::string& name);
std::string device_name(const at::Device& device);

bool cuda_is_available();
int cuda_device_count();

// Bytes that the device has in all; 0 where that cannot be found out. Asking a GPU opens it, which
// takes its time and some hundred megabytes there.
int64_t total_memory(const at::Device& device);

}  // namespace latentray
