// The one function of latentray_nccl.so.
#pragma once

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace latentray {

constexpr const char* kMakeNcclName = "latentray_make_nccl";

// The result is owned by the caller (an intrusive_ptr that was released).
using MakeNccl = c10d::Backend*(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                int world_size, std::chrono::milliseconds timeout,
                                at::Device device);

}  // namespace latentray
