// oneDNN's convolution and linear layer as LibTorch exports them to its own compiler (the
// "mkldnn::" operators). For inference on the CPU they are faster than at::conv2d and at::linear:
// the convolution takes a weight that was reordered once instead of in every call, and hands on
// channels-last activations; the linear layer runs AVX-512 kernels where LibTorch's MKL falls back
// to slower ones (AMD).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <cstdint>
#include <optional>

namespace latentray::nn {

// Whether these operators exist here and give the result that at::conv2d or at::linear would give:
// floating-point CPU tensors, no gradient to record, no autocast.
bool onednn_serves(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// y = x Wᵀ + b; float32 only. With `gelu` its exact GELU, in the same pass over the result.
at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         bool gelu = false);

// A convolution's weight in oneDNN's blocked layout, reordered anew when the weight has changed.
// Changes are seen when they go through the parameter itself or an alias that shares its version
// counter (detach() does, data() does not).
class PackedConvWeight {
 public:
  const at::Tensor& get(const at::Tensor& weight);

  // What the copy takes, about: the layout may pad channels. 0 before the first get().
  int64_t bytes() const;

 private:
  bool is_current(const at::Tensor& weight) const;

  at::Tensor packed_;
  // Weak, so that a storage which is gone never passes for a new one at the same address.
  std::optional<c10::weak_intrusive_ptr<c10::StorageImpl>> source_;
  int64_t source_offset_ = 0;
  int64_t source_version_ = 0;
};

// How often any weight of this process was reordered: a change says that a model has grown.
uint64_t packings();

at::Tensor onednn_conv2d(const at::Tensor& x, const at::Tensor& packed_weight,
                         const at::Tensor& bias, int64_t stride, int64_t padding);

}  // namespace latentray::nn
