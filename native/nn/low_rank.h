// Low-rank additions to a layer's weight: W + Σ scale · alpha / rank · up · down.
// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), arXiv 2106.09685.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace latentray::nn {

struct LowRank {
  std::string name;  // of the adapter that it belongs to
  at::Tensor down;   // [rank, in] or [rank, in, k, k]
  at::Tensor up;     // [out, rank] or [out, rank, 1, 1]
  double ratio = 1;  // alpha / rank
  double scale = 1;  // the user's; 0 switches it off

  // Whether a trainer changes the matrices: they are float32 then, whatever the weight is.
  bool is_trained() const { return down.requires_grad(); }

  // scale · ratio · up · down, of the weight's shape.
  at::Tensor delta() const;
};

// What is added to one layer. Empty in a layer that nobody adapted.
class LowRankStack {
 public:
  // Whether the layer's output lacks something that is not in its weight.
  bool is_active() const { return !entries_.empty() && !is_fused(); }
  bool is_fused() const { return base_weight_.defined(); }

  // `apply` computes what one entry adds before its factor: up(down(x)).
  at::Tensor add(at::Tensor y, const std::function<at::Tensor(const LowRank&)>& apply) const;

  std::vector<LowRank>& entries() { return entries_; }
  void push(LowRank entry) { entries_.push_back(std::move(entry)); }
  void remove(const std::string& name);

  // Puts the sum into `weight`, keeping the weight that was there; and that one back, bit by bit.
  void fuse(at::Tensor& weight);
  void unfuse(at::Tensor& weight);

 private:
  std::vector<LowRank> entries_;
  at::Tensor base_weight_;
};

}  // namespace latentray::nn
