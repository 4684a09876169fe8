// PNDM: a linear multistep method (PLMS) that may begin with Runge-Kutta steps (PRK). Liu et al.,
// "Pseudo Numerical Methods for Diffusion Models on Manifolds" (2022), formulas 9, 12 and 13.
// Checked against diffusers' schedulers/scheduling_pndm.py.
#pragma once

#include <deque>

#include "diffusion/config_reader.h"
#include "diffusion/scheduler.h"
#include "diffusion/timestep_spacing.h"

namespace latentray {

class PndmScheduler final : public Scheduler {
 public:
  explicit PndmScheduler(ConfigReader& config);

 protected:
  void plan(int64_t steps) override;
  void forget() override;
  bool remembers() const override { return true; }
  at::Tensor advance(const at::Tensor& model_output, size_t index, const at::Tensor& sample,
                     const StepOptions& options) override;

 private:
  at::Tensor advance_runge_kutta(const at::Tensor& model_output, size_t index,
                                 const at::Tensor& sample);
  at::Tensor advance_multistep(const at::Tensor& model_output, int64_t t, const at::Tensor& sample);
  // Formula 9, from timestep `t` to `previous`.
  at::Tensor transfer(const at::Tensor& sample, int64_t t, int64_t previous,
                      const at::Tensor& model_output) const;

  bool skip_prk_steps_;
  TimestepSpacing timestep_spacing_;
  int64_t steps_offset_;
  float final_alpha_cumprod_;       // ᾱ below timestep 0
  int64_t stride_ = 0;              // training timesteps per step of the run
  size_t runge_kutta_calls_ = 0;    // model calls that begin a run with Runge-Kutta steps
  size_t calls_ = 0;                // since the run began
  std::deque<at::Tensor> outputs_;  // the latest four at most, newest last
  at::Tensor weighted_output_;      // within a Runge-Kutta step
  at::Tensor step_sample_;          // where the current step began
};

}  // namespace latentray
