#include "nn/low_rank.h"

#include <ATen/ATen.h>

#include <utility>

namespace latentray::nn {

at::Tensor LowRank::delta() const {
  std::vector<int64_t> shape = down.sizes().vec();
  shape[0] = up.size(0);
  // [out, rank] · [rank, in k k] → the weight's shape
  return (at::matmul(up.flatten(1), down.flatten(1)) * (scale * ratio)).view(shape);
}

at::Tensor LowRankStack::add(at::Tensor y,
                             const std::function<at::Tensor(const LowRank&)>& apply) const {
  for (const LowRank& entry : entries_) {
    if (entry.scale == 0) continue;
    y = y + (apply(entry) * (entry.scale * entry.ratio)).to(y.scalar_type());
  }
  return y;
}

void LowRankStack::remove(const std::string& name) {
  std::erase_if(entries_, [&](const LowRank& entry) { return entry.name == name; });
}

void LowRankStack::fuse(at::Tensor& weight) {
  if (is_fused() || entries_.empty()) return;
  at::Tensor sum = weight.detach().to(at::kFloat);
  for (const LowRank& entry : entries_) {
    if (entry.scale != 0) sum = sum + entry.delta().to(at::kFloat);
  }
  base_weight_ = weight.detach();
  weight.set_data(sum.to(weight.scalar_type()));
}

void LowRankStack::unfuse(at::Tensor& weight) {
  if (is_fused()) weight.set_data(std::exchange(base_weight_, at::Tensor()));
}

}  // namespace latentray::nn
