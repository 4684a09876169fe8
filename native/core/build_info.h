// LibTorch as this process has it: versions, devices, settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace latentray {

struct BuildInfo {
  std::string libtorch;        // version of the headers, e.g. "2.13.0"
  bool cuda;                   // the LibTorch in this process has CUDA kernels
  std::string cpu_capability;  // "AVX512", "AVX2", "DEFAULT" …
};

BuildInfo build_info();

struct DeviceInfo {
  std::string name;
  std::string type;
};

// Settings of LibTorch that hold for the process; call once before computing.
void initialize_libtorch();

// "cpu", then every CUDA device.
std::vector<DeviceInfo> devices();

}  // namespace latentray
