// Processes that compute as one: LibTorch's c10d, Gloo on the CPU and NCCL on CUDA. Every rank
// calls the same operations in the same order. Checked against torch/distributed's
// distributed_c10d.py (init_process_group) and rendezvous.py (env://).
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace latentray {

struct ProcessGroupOptions {
  int rank = 0;
  int world_size = 1;
  // Where the ranks meet.
  std::string master_addr = "127.0.0.1";
  uint16_t master_port = 29500;
  // Rank 0 keeps the store, unless a launcher does (torchrun's agent).
  bool hosts_store = false;
  // Keeps apart what one store serves: restarts of one job.
  std::string prefix;
  // "gloo" or "nccl"
  std::string backend = "gloo";
  // The GPU of NCCL.
  at::Device device = at::kCPU;
  // For the others to come, and for one operation.
  std::chrono::milliseconds timeout{30 * 60 * 1000};
};

enum class Reduction { kSum, kMin, kMax };

// An operation that goes on by itself. Holds its tensor.
class PendingReduction;

class ProcessGroup {
 public:
  // Waits for the other ranks; stops where the thread's token fires. ERR_PROCESS_GROUP says who did
  // not come, or why the meeting point cannot be reached or is taken.
  explicit ProcessGroup(const ProcessGroupOptions& options);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return options_.rank; }
  int world_size() const { return options_.world_size; }
  // Where tensors must lie to be reduced: a GPU for NCCL, else the CPU.
  at::Device device() const { return options_.device; }

  // Over all ranks, in place and with the same bits everywhere.
  void reduce(at::Tensor tensor, Reduction reduction = Reduction::kSum);

  // The same without waiting for it. From any thread, one at a time.
  std::shared_ptr<PendingReduction> start(at::Tensor tensor, Reduction reduction = Reduction::kSum);

  // ERR_PROCESS_GROUP names the rank that failed and its reason. After an error, or where the
  // thread's token fired, the group is of no more use: the ranks are out of step.
  void wait(PendingReduction& pending);

  // Returns when every rank has come here.
  void barrier();

  // Says that this rank ends for `reason`, and keeps the store until the others may have heard.
  void fail(const std::string& reason);

 private:
  struct Connection;
  [[noreturn]] void throw_failure(const std::string& failure);
  void check_usable() const;

  ProcessGroupOptions options_;
  std::unique_ptr<Connection> connection_;  // none where one process is alone
  std::string broken_;                      // why it is of no more use
};

}  // namespace latentray
