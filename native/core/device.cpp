#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <unistd.h>

#include <charconv>

#include "core/error.h"

namespace latentray {

namespace {

int cuda_index(const std::string& name) {
  if (name == "cuda") return 0;
  int index = -1;
  if (name.rfind("cuda:", 0) == 0) {
    const char* last = name.data() + name.size();
    const auto [end, error] = std::from_chars(name.data() + 5, last, index);
    if (error != std::errc() || end != last) index = -1;
  }
  LATENTRAY_CHECK(index >= 0, "ERR_DEVICE_UNAVAILABLE",
                  "device: expected 'cpu', 'cuda' or 'cuda:N'; received '", name, "'");
  return index;
}

}  // namespace

at::Device parse_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  const int index = cuda_index(name);
  LATENTRAY_CHECK(cuda_is_available(), "ERR_DEVICE_UNAVAILABLE", "device '", name,
                  "': this LibTorch sees no CUDA device. Install a CUDA build of LibTorch and a "
                  "driver, or use 'cpu'; `latentray doctor` shows what was found");
  LATENTRAY_CHECK(index < cuda_device_count(), "ERR_DEVICE_UNAVAILABLE", "device '", name,
                  "': expected an index below ", cuda_device_count());
  return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
}

std::string device_name(const at::Device& device) { return device.str(); }

bool cuda_is_available() { return at::hasCUDA() && cuda_device_count() > 0; }

int cuda_device_count() { return at::detail::getCUDAHooks().deviceCount(); }

int64_t total_memory(const at::Device& device) {
  if (device.is_cpu()) return int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  try {
    // The allocator asks CUDA, so that nothing here links it.
    return static_cast<int64_t>(
        c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).second);
  } catch (const c10::Error&) {
    return 0;
  }
}

}  // namespace latentray
