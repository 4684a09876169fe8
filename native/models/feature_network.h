// Networks whose inner activations stand for what an image shows: Fréchet distances, neighbours and
// classifiers are made of them.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <map>
#include <memory>
#include <string>

namespace latentray {

class FeatureNetwork : public torch::nn::Module {
 public:
  // pixels [N, C, H, W] in [0, 1], grey or RGB → what forward() takes.
  // ERR_SHAPE, ERR_DTYPE, ERR_NON_FINITE, ERR_INVALID_ARG.
  virtual at::Tensor prepare(const at::Tensor& pixels) const = 0;

  // Features by the name of their layer, each [N, D], and "logits" where there are classes.
  virtual std::map<std::string, at::Tensor> forward(const at::Tensor& prepared) = 0;

  // What the logits say of each class, [N, classes].
  virtual at::Tensor probabilities(const at::Tensor& logits) const = 0;

  // 0 for a network that does not classify.
  virtual int64_t classes() const = 0;

 protected:
  // What prepare() of every network asks for.
  static void check_pixels(const at::Tensor& pixels);
};

// Luma of RGB (ITU-R BT.601), [N, 1, H, W].
at::Tensor grey(const at::Tensor& pixels);

// The largest square around the middle.
at::Tensor middle_square(const at::Tensor& pixels);

}  // namespace latentray
