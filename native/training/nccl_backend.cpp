#include "training/nccl_backend.h"

#include <dlfcn.h>

#include <filesystem>

#include "core/error.h"
#include "training/nccl/nccl_library.h"

namespace latentray {

namespace {

// Beside the file that holds this function: the addon, or the native test program.
std::string library_path() {
  Dl_info info{};
  ::dladdr(reinterpret_cast<const void*>(&library_path), &info);
  return (std::filesystem::path(info.dli_fname).parent_path() / "latentray_nccl.so").string();
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const ProcessGroupOptions& options,
                                                    const c10::intrusive_ptr<c10d::Store>& store) {
  LATENTRAY_CHECK(options.device.is_cuda(), "ERR_DEVICE_UNAVAILABLE",
                  "backend 'nccl': expected a CUDA device, found '", options.device.str(),
                  "'; use 'gloo'");
  void* library = ::dlopen(library_path().c_str(), RTLD_NOW | RTLD_LOCAL);
  LATENTRAY_CHECK(library, "ERR_DEVICE_UNAVAILABLE",
                  "backend 'nccl': this build of latentray has none. Build it where LibTorch has "
                  "CUDA and nccl.h is found, or use 'gloo' (",
                  ::dlerror(), ")");
  const auto make = reinterpret_cast<MakeNccl*>(::dlsym(library, kMakeNcclName));
  LATENTRAY_CHECK(make, "ERR_DEVICE_UNAVAILABLE", "backend 'nccl': ", library_path(),
                  " is of another version. Build it again");
  return c10::intrusive_ptr<c10d::Backend>::reclaim(
      make(store, options.rank, options.world_size, options.timeout, options.device));
}

}  // namespace latentray
