// Rows of an embedding that are learned while all others, and the table itself, stay as they are.
// Gal et al., "An Image is Worth One Word: Personalizing Text-to-Image Generation using Textual
// Inversion" (2022).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace latentray::nn {

class LearnedRows {
 public:
  bool empty() const { return rows_.empty(); }

  // ids [K] int64, all different; rows: parameters of [k, C], K rows together.
  void set(const at::Tensor& ids, const std::vector<at::Tensor>& rows);
  void clear();

  // embedded […, C] for ids […]: the learned rows where an id has one.
  at::Tensor put_into(const at::Tensor& embedded, const at::Tensor& ids) const;

 private:
  at::Tensor ids_;
  std::vector<at::Tensor> rows_;
};

}  // namespace latentray::nn
