// Data parallel training: every process computes the gradients of its own part of the batch, and
// all take their mean. Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel
// Training" (2020); checked against torch/csrc/distributed/c10d/reducer.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <vector>

#include "training/named_parameters.h"
#include "training/process_group.h"

namespace latentray {

// ERR_PROCESS_GROUP names the first parameter whose name, shape or values differ between ranks.
void require_equal_parameters(ProcessGroup& group, const NamedParameters& parameters);

// Sends gradients in buckets while the backward pass still computes others. A bucket is sent when
// its last gradient is there and all buckets before it are sent, so that every rank sends them in
// one order.
class GradientAverager {
 public:
  static constexpr int64_t kBucketBytes = 25 * 1024 * 1024;

  // Watches the parameters, which are float32, until it is destroyed.
  GradientAverager(std::shared_ptr<ProcessGroup> group, const NamedParameters& parameters,
                   int64_t bucket_bytes = kBucketBytes);
  ~GradientAverager();
  GradientAverager(const GradientAverager&) = delete;
  GradientAverager& operator=(const GradientAverager&) = delete;

  // Before a step's last backward pass. Passes before it only add up gradients.
  void begin();

  // After it: every gradient is the mean over the ranks. A parameter that no rank reached keeps
  // none; one that some ranks did not reach counts as zero there.
  void finish();

 private:
  struct Bucket {
    std::vector<size_t> parameters;
    std::vector<int64_t> offsets;
    at::Tensor buffer;  // gradients in a row, then one number a parameter: whether there is one
    size_t missing = 0;
    std::shared_ptr<PendingReduction> pending;
  };
  class Hook;

  void gradient_is_ready(size_t parameter);
  void send_complete_buckets();
  void send(Bucket& bucket);
  void receive(Bucket& bucket);
  void forget();

  std::shared_ptr<ProcessGroup> group_;
  NamedParameters parameters_;
  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_;  // by parameter

  std::mutex mutex_;  // CUDA's backward pass has threads of its own
  bool active_ = false;
  size_t next_ = 0;  // the first bucket that is not sent
  std::vector<bool> ready_;
};

}  // namespace latentray
