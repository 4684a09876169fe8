#include "nn/onednn.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <atomic>

#include "core/mapped_tensor.h"

namespace latentray::nn {

namespace {

using c10::IValue;

std::atomic<uint64_t> packings_made{0};

using Operator = std::optional<c10::OperatorHandle>;

Operator find(const char* name) { return c10::Dispatcher::singleton().findSchema({name, ""}); }

const Operator& linear_operator() {
  static const Operator found = find("mkldnn::_linear_pointwise");
  return found;
}

const Operator& conv_operator() {
  static const Operator found = find("mkldnn::_convolution_pointwise");
  return found;
}

const Operator& reorder_operator() {
  static const Operator found = find("mkldnn::_reorder_convolution_weight");
  return found;
}

bool operators_exist() {
  static const bool exist =
      at::hasMKLDNN() && linear_operator() && conv_operator() && reorder_operator();
  return exist;
}

bool dtype_is_served(at::ScalarType dtype) {
  static const bool has_avx512 = at::get_cpu_capability() == "AVX512";
  return dtype == at::kFloat || (dtype == at::kBFloat16 && has_avx512);
}

// Boxed, because the unboxed types of these operators differ between LibTorch's versions.
at::Tensor call(const Operator& op, torch::jit::Stack stack) {
  op->callBoxed(stack);
  return std::move(stack.front()).toTensor();
}

IValue optional_tensor(const at::Tensor& tensor) {
  return tensor.defined() ? IValue(tensor) : IValue();
}

// The operators take an activation to fuse: its name, parameters and algorithm.
void push_activation(torch::jit::Stack& stack, const char* name, const char* algorithm) {
  stack.emplace_back(name);
  stack.emplace_back(c10::List<std::optional<at::Scalar>>());
  stack.emplace_back(algorithm);
}

}  // namespace

bool onednn_serves(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!x.device().is_cpu() || !weight.device().is_cpu() || x.numel() == 0) return false;
  if (x.scalar_type() != weight.scalar_type() || !dtype_is_served(x.scalar_type())) return false;
  if (at::GradMode::is_enabled() &&
      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()))) {
    return false;
  }
  return operators_exist() && at::globalContext().userEnabledMkldnn() &&
         !at::autocast::is_autocast_enabled(at::kCPU);
}

at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         bool gelu) {
  torch::jit::Stack stack{x, weight, optional_tensor(bias)};
  push_activation(stack, gelu ? "gelu" : "none", gelu ? "none" : "");
  return call(linear_operator(), std::move(stack));
}

at::Tensor onednn_conv2d(const at::Tensor& x, const at::Tensor& packed_weight,
                         const at::Tensor& bias, int64_t stride, int64_t padding) {
  const std::vector<int64_t> strides(2, stride);
  const std::vector<int64_t> paddings(2, padding);
  const std::vector<int64_t> dilations(2, 1);
  torch::jit::Stack stack{x,         packed_weight, optional_tensor(bias), paddings, strides,
                          dilations, int64_t{1}};  // groups
  push_activation(stack, "none", "");
  return call(conv_operator(), std::move(stack));
}

uint64_t packings() { return packings_made.load(std::memory_order_relaxed); }

int64_t PackedConvWeight::bytes() const {
  return packed_.defined() ? packed_.numel() * static_cast<int64_t>(packed_.element_size()) : 0;
}

const at::Tensor& PackedConvWeight::get(const at::Tensor& weight) {
  if (!is_current(weight)) {
    const std::vector<int64_t> zeros(2, 0);
    const std::vector<int64_t> ones(2, 1);
    packed_ = at::Tensor();  // freed before its successor is made
    packed_ = call(reorder_operator(), {weight.detach(), zeros, ones, ones, int64_t{1}, IValue()});
    packings_made.fetch_add(1, std::memory_order_relaxed);
    source_.emplace(weight.storage().getWeakStorageImpl());
    source_offset_ = weight.storage_offset();
    source_version_ = weight.is_inference() ? 0 : weight._version();
    // From here on the copy serves; a file's weight need not stay in memory beside it. One that was
    // written to, or may have been, is no longer in the file.
    if (!weight.is_inference() && weight._version() == 0) release_pages(weight);
  }
  return packed_;
}

bool PackedConvWeight::is_current(const at::Tensor& weight) const {
  return packed_.defined() &&
         source_->_unsafe_get_target() == weight.storage().unsafeGetStorageImpl() &&
         source_offset_ == weight.storage_offset() &&
         (weight.is_inference() || source_version_ == weight._version());
}

}  // namespace latentray::nn
