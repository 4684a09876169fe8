#include "core/build_info.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "core/device.h"

namespace latentray {

BuildInfo build_info() { return {TORCH_VERSION, at::hasCUDA(), at::get_cpu_capability()}; }

void initialize_libtorch() {
  // On processors that NNPACK does not know it warns on stderr at every convolution; oneDNN does
  // the work.
  at::globalContext().setUserEnabledNNPACK(false);
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> found{{"cpu", "cpu"}};
  if (!cuda_is_available()) return found;
  for (int i = 0; i < cuda_device_count(); ++i) {
    found.push_back({"cuda:" + std::to_string(i), "cuda"});
  }
  return found;
}

}  // namespace latentray
