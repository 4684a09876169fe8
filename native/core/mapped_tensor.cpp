#include "core/mapped_tensor.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace latentray {

namespace {

at::Tensor copied(const char* data, at::ScalarType dtype, at::IntArrayRef sizes,
                  at::IntArrayRef strides) {
  at::Tensor tensor = at::empty_strided(sizes, strides, dtype);
  std::memcpy(tensor.data_ptr(), data, tensor.storage().nbytes());
  return tensor;
}

// What a mapped storage owns.
using Owner = std::shared_ptr<MappedFile>;

// Its address is also how a mapped storage is known.
void delete_owner(void* owner) { delete static_cast<Owner*>(owner); }

}  // namespace

at::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, const char* data,
                         at::ScalarType dtype, const std::vector<int64_t>& sizes,
                         const std::vector<int64_t>& strides) {
  const bool aligned = reinterpret_cast<uintptr_t>(data) % c10::elementSize(dtype) == 0;
  if (!aligned) return copied(data, dtype, sizes, strides);
  // The map is private: writing into the tensor leaves the file as it is.
  at::DataPtr bytes(const_cast<char*>(data), new Owner(file), &delete_owner, at::kCPU);
  const auto options = at::TensorOptions().dtype(dtype);
  const size_t size =
      at::detail::computeStorageNbytes(sizes, strides, options.dtype().itemsize(), 0);
  const at::Storage storage(at::Storage::use_byte_size_t(), size, std::move(bytes));
  return at::empty({0}, options).set_(storage, /*storage_offset=*/0, sizes, strides);
}

at::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, const char* data,
                         at::ScalarType dtype, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(sizes[i], 1);
  return mapped_tensor(file, data, dtype, sizes, strides);
}

void release_pages(const at::Tensor& tensor) {
  const at::DataPtr& bytes = tensor.storage().data_ptr();
  if (bytes.get_deleter() != &delete_owner) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.get());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + tensor.storage().nbytes()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace latentray
