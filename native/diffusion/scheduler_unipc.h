// UniPC: a predictor of any order, and a corrector that uses the next model output to mend the
// sample which the predictor gave. Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for
// Fast Sampling of Diffusion Models" (2023), algorithms 1 and 2 (5 to 8 in terms of x0). Checked
// against diffusers' schedulers/scheduling_unipc_multistep.py.
#pragma once

#include <deque>

#include "diffusion/variance_preserving.h"

namespace latentray {

class UniPcScheduler final : public VariancePreservingScheduler {
 public:
  explicit UniPcScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void forget() override;
  bool remembers() const override { return true; }
  double final_sigma(double last) const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  // A step from step_sample_ at the level before `target` to it: UniP and UniC.
  struct Update;
  Update update_to(size_t target, size_t order) const;
  at::Tensor predict(size_t target, size_t order) const;
  // `output`: the converted model output at `target`.
  at::Tensor correct(size_t target, size_t order, const at::Tensor& output) const;

  // x0 or ε, whichever the solver works in.
  at::Tensor convert(const at::Tensor& model_output, size_t index, const at::Tensor& sample) const;

  size_t solver_order_;
  SampleLimits limits_;
  bool predict_x0_;                         // works in terms of x0, else of ε
  bool bh1_;                                // B(h) = h, else e^h − 1
  bool lower_order_final_;                  // lowers the order towards the end of a run
  std::vector<int64_t> disable_corrector_;  // indices of steps whose result is not corrected
  FinalSigma final_sigma_;
  std::deque<at::Tensor> outputs_;  // converted, newest first, solver_order_ at most
  at::Tensor step_sample_;          // where the last step began
  size_t last_order_ = 0;           // of the last step
};

}  // namespace latentray
