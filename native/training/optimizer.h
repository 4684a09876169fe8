// Optimizers over LibTorch's fused kernels. Kingma and Ba, "Adam" (2015); Loshchilov and Hutter,
// "Decoupled Weight Decay Regularization" (2019). Checked against torch/optim/adamw.py and sgd.py
// (fused).
#pragma once

#include <memory>

#include "training/named_parameters.h"
#include "weights/state_dict.h"

namespace latentray {

struct OptimizerOptions {
  std::string name = "adamw";  // or "sgd"
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
  double momentum = 0;  // of sgd
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Changes the parameters that have a gradient. Their state begins with the first one.
  virtual void step(double learning_rate) = 0;

  // What the next step depends on, under "<prefix><what>.<parameter>".
  void save(StateDict& state, const std::string& prefix) const;
  // ERR_WEIGHTS_SHAPE for the state of other parameters, which changes nothing.
  void load(const StateDict& state, const std::string& prefix);

 protected:
  // One tensor a parameter, undefined before its first step.
  using Slot = std::vector<at::Tensor>;

  Optimizer(NamedParameters parameters, std::vector<std::string> slots);

  NamedParameters parameters_;
  std::vector<std::string> slot_names_;
  std::vector<Slot> slots_;
};

// ERR_INVALID_ARG for another name.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          const NamedParameters& parameters);

}  // namespace latentray
