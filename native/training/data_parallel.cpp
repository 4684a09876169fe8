#include "training/data_parallel.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <functional>

#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

// The bits of a tensor as one number: equal tensors have equal digests, and unequal ones hardly.
int64_t digest(const Tensor& tensor) {
  const auto bits = tensor.detach().contiguous().view({-1}).view(at::kByte).to(at::kCPU);
  const std::string_view bytes(reinterpret_cast<const char*>(bits.const_data_ptr()),
                               static_cast<size_t>(bits.numel()));
  return static_cast<int64_t>(std::hash<std::string_view>()(bytes));
}

int64_t digest_of_name(const std::string& name, at::IntArrayRef shape) {
  return static_cast<int64_t>(std::hash<std::string>()(c10::str(name, shape)));
}

// Where some rank's numbers are not everybody's: the first such index, or -1. numbers [n] int64
int64_t first_difference(ProcessGroup& group, const Tensor& numbers) {
  auto low = numbers.to(group.device(), /*non_blocking=*/false, /*copy=*/true);
  auto high = low.clone();
  group.reduce(low, Reduction::kMin);
  group.reduce(high, Reduction::kMax);
  const auto different = low.ne(high).nonzero();
  return different.size(0) == 0 ? -1 : different[0][0].item<int64_t>();
}

}  // namespace

void require_equal_parameters(ProcessGroup& group, const NamedParameters& parameters) {
  const auto count = static_cast<int64_t>(parameters.size());
  LATENTRAY_CHECK(first_difference(group, at::full({1}, count, at::kLong)) < 0, "ERR_PROCESS_GROUP",
                  "rank ", group.rank(), " trains ", count,
                  " parameters, and another rank another number of them: start every rank with "
                  "the same model and options");
  auto numbers = at::empty({2, count}, at::kLong);
  auto* names = numbers.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const auto& [name, parameter] = parameters[i];
    names[i] = digest_of_name(name, parameter.sizes());
    names[count + i] = digest(parameter);
  }
  const int64_t different = first_difference(group, numbers.flatten());
  LATENTRAY_CHECK(different < 0, "ERR_PROCESS_GROUP", "the ranks start from different models: '",
                  parameters[different % count].first,
                  "' is not the same on all. Start every "
                  "rank from the same files, options and seed");
}

class GradientAverager::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientAverager& averager, size_t parameter) : averager_(averager), parameter_(parameter) {}
  void operator()(const torch::autograd::Variable&) override {
    averager_.gradient_is_ready(parameter_);
  }

 private:
  GradientAverager& averager_;
  size_t parameter_;
};

GradientAverager::GradientAverager(std::shared_ptr<ProcessGroup> group,
                                   const NamedParameters& parameters, int64_t bucket_bytes)
    : group_(std::move(group)), parameters_(parameters), bucket_of_(parameters.size()) {
  // Backward passes reach the last parameters first.
  for (size_t i = parameters_.size(); i-- > 0;) {
    const auto& parameter = parameters_[i].second;
    LATENTRAY_CHECK(parameter.scalar_type() == at::kFloat, "ERR_DTYPE", "'", parameters_[i].first,
                    "': expected float32, found ", parameter.scalar_type());
    const bool full =
        buckets_.empty() || (buckets_.back().offsets.back() + parameter.numel()) * 4 > bucket_bytes;
    if (full) {
      buckets_.emplace_back();
      buckets_.back().offsets.push_back(0);
    }
    auto& bucket = buckets_.back();
    bucket_of_[i] = buckets_.size() - 1;
    bucket.parameters.push_back(i);
    bucket.offsets.push_back(bucket.offsets.back() + parameter.numel());
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::make_unique<Hook>(*this, i));
  }
}

GradientAverager::~GradientAverager() {
  for (const auto& [name, parameter] : parameters_) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  }
}

void GradientAverager::begin() {
  const std::lock_guard lock(mutex_);
  forget();
  active_ = true;
  ready_.assign(parameters_.size(), false);
  for (auto& bucket : buckets_) bucket.missing = bucket.parameters.size();
}

void GradientAverager::forget() {
  active_ = false;
  next_ = 0;
  for (auto& bucket : buckets_) bucket.pending.reset();
}

void GradientAverager::gradient_is_ready(size_t parameter) {
  const std::lock_guard lock(mutex_);
  if (!active_) return;
  LATENTRAY_CHECK(!ready_[parameter] || bucket_of_[parameter] >= next_, "ERR_NATIVE", "'",
                  parameters_[parameter].first, "' received a gradient after it was sent");
  if (ready_[parameter]) return;  // used twice: sent with its sum
  ready_[parameter] = true;
  --buckets_[bucket_of_[parameter]].missing;
  send_complete_buckets();
}

void GradientAverager::send_complete_buckets() {
  while (next_ < buckets_.size() && buckets_[next_].missing == 0) send(buckets_[next_++]);
}

void GradientAverager::send(Bucket& bucket) {
  const at::NoGradGuard no_grad;
  const int64_t numbers = bucket.offsets.back();
  const auto count = static_cast<int64_t>(bucket.parameters.size());
  if (!bucket.buffer.defined()) {
    bucket.buffer =
        at::empty({numbers + count}, at::TensorOptions(at::kFloat).device(group_->device()));
  }
  for (int64_t i = 0; i < count; ++i) {
    const auto& parameter = parameters_[bucket.parameters[i]].second;
    const auto& gradient = parameter.grad();
    auto place = bucket.buffer.narrow(0, bucket.offsets[i], parameter.numel());
    if (gradient.defined()) {
      place.copy_(gradient.reshape(-1));
    } else {
      place.zero_();
    }
    bucket.buffer[numbers + i].fill_(gradient.defined() ? 1 : 0);
  }
  // Before the sum: half-precision gradients that were scaled up must not overflow.
  bucket.buffer.div_(group_->world_size());
  bucket.pending = group_->start(bucket.buffer);
}

void GradientAverager::receive(Bucket& bucket) {
  const at::NoGradGuard no_grad;
  group_->wait(*bucket.pending);
  const int64_t numbers = bucket.offsets.back();
  const auto reached = bucket.buffer.narrow(0, numbers, bucket.parameters.size()).to(at::kCPU);
  for (size_t i = 0; i < bucket.parameters.size(); ++i) {
    if (reached[i].item<float>() == 0) continue;
    auto& parameter = parameters_[bucket.parameters[i]].second;
    const auto mean = bucket.buffer.narrow(0, bucket.offsets[i], parameter.numel());
    if (!parameter.grad().defined()) parameter.mutable_grad() = at::empty_like(parameter);
    parameter.mutable_grad().copy_(mean.view(parameter.sizes()));
  }
}

void GradientAverager::finish() {
  const std::lock_guard lock(mutex_);
  LATENTRAY_CHECK(active_, "ERR_NATIVE", "gradients are averaged once for every begin()");
  while (next_ < buckets_.size()) send(buckets_[next_++]);
  for (auto& bucket : buckets_) receive(bucket);
  forget();
}

}  // namespace latentray
