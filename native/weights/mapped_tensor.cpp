#include "weights/mapped_tensor.h"

#include <ATen/ATen.h>

#include <cstring>

namespace latentray {

namespace {

at::Tensor copied(const char* data, at::ScalarType dtype, at::IntArrayRef sizes,
                  at::IntArrayRef strides) {
  at::Tensor tensor = at::empty_strided(sizes, strides, dtype);
  std::memcpy(tensor.data_ptr(), data, tensor.storage().nbytes());
  return tensor;
}

}  // namespace

at::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, const char* data,
                         at::ScalarType dtype, const std::vector<int64_t>& sizes,
                         const std::vector<int64_t>& strides) {
  const bool aligned = reinterpret_cast<uintptr_t>(data) % c10::elementSize(dtype) == 0;
  if (!aligned) return copied(data, dtype, sizes, strides);
  // The map is private: writing into the tensor leaves the file as it is.
  return at::from_blob(
      const_cast<char*>(data), sizes, strides, [file](void*) {}, at::TensorOptions().dtype(dtype));
}

at::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, const char* data,
                         at::ScalarType dtype, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(sizes[i], 1);
  return mapped_tensor(file, data, dtype, sizes, strides);
}

}  // namespace latentray
