// A tensor over bytes of a mapped file, which it keeps mapped.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/mapped_file.h"

namespace latentray {

// Contiguous where no strides are given. Bytes that do not lie at a multiple of the element's size,
// as a foreign writer may leave them, are copied.
at::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, const char* data,
                         at::ScalarType dtype, const std::vector<int64_t>& sizes,
                         const std::vector<int64_t>& strides);
at::Tensor mapped_tensor(const std::shared_ptr<MappedFile>& file, const char* data,
                         at::ScalarType dtype, const std::vector<int64_t>& sizes);

// Gives the memory of a mapped tensor's pages back; whoever looks at it again reads the file again.
// Only for a tensor that nobody has written to: its changes would be lost. Does nothing to a tensor
// of another kind.
void release_pages(const at::Tensor& tensor);

}  // namespace latentray
