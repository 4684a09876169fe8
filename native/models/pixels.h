// Between an autoencoder's pixels and the numbers that images hold.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

// [-1, 1] → [0, 1], clamped, float32. ERR_NON_FINITE for NaN or infinity.
at::Tensor to_unit_range(const at::Tensor& pixels);

// pixels [N, C, H, W] in [-1, 1] → bytes [N, H, W, C], rounded half to even as numpy does.
at::Tensor to_bytes(const at::Tensor& pixels);

// The same with the mean of the channels as the only one: [N, H, W, 1].
at::Tensor to_grey_bytes(const at::Tensor& pixels);

// [0, 1] → [-1, 1], float32. ERR_NON_FINITE for NaN or infinity; ERR_INVALID_ARG outside of [0, 1].
at::Tensor from_unit_range(const at::Tensor& pixels);

// bytes [N, H, W, C] → pixels [N, C, H, W] in [-1, 1], float32.
at::Tensor from_bytes(const at::Tensor& bytes);

}  // namespace latentray
