// DEIS: an exponential integrator that extrapolates ε by a polynomial in log ρ, ρ = σ / α. Zhang &
// Chen, "Fast Sampling of Diffusion Models with Exponential Integrator" (2022), section 3. Checked
// against diffusers' schedulers/scheduling_deis_multistep.py.
#pragma once

#include <deque>

#include "diffusion/variance_preserving.h"

namespace latentray {

class DeisScheduler final : public VariancePreservingScheduler {
 public:
  explicit DeisScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void forget() override { outputs_.clear(); }
  bool remembers() const override { return true; }
  double final_sigma(double last) const override;
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  size_t order_at(size_t index) const;
  at::Tensor first_order(size_t index, const at::Tensor& sample) const;
  // The second or third order.
  at::Tensor higher_order(size_t index, size_t order, const at::Tensor& sample) const;

  size_t solver_order_;
  SampleLimits limits_;
  bool lower_order_final_;  // lowers the order of the last two steps of a run of fewer than 15
  std::deque<at::Tensor> outputs_;  // ε, newest first, solver_order_ at most
};

}  // namespace latentray
