#include "core/build_info.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <cstdlib>
#include <mutex>

#include "core/device.h"

namespace latentray {

namespace {

// Large tensors on transparent huge pages, where the system allows asking for them: one page fault
// for 2 MB in place of 512. LibTorch reads its variable once, at the first allocation; it is taken
// back so that programs which this process starts do not inherit it. Whoever sets it decides.
void use_huge_pages() {
  constexpr const char* kVariable = "THP_MEM_ALLOC_ENABLE";
  if (std::getenv(kVariable) != nullptr) return;
  ::setenv(kVariable, "1", /*overwrite=*/0);
  at::empty({1});
  ::unsetenv(kVariable);
}

}  // namespace

BuildInfo build_info() { return {TORCH_VERSION, at::hasCUDA(), at::get_cpu_capability()}; }

void initialize_libtorch() {
  // On processors that NNPACK does not know it warns on stderr at every convolution; oneDNN does
  // the work.
  at::globalContext().setUserEnabledNNPACK(false);
  static std::once_flag once;
  std::call_once(once, use_huge_pages);
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
