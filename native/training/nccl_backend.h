// NCCL, where this build has it. It lives in a library of its own beside the addon, so that one
// addon serves LibTorch with and without CUDA.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "training/process_group.h"

namespace latentray {

// ERR_DEVICE_UNAVAILABLE without a GPU, or where the build has no NCCL.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const ProcessGroupOptions& options,
                                                    const c10::intrusive_ptr<c10d::Store>& store);

}  // namespace latentray
