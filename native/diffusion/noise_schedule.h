// How much noise each training timestep holds: β, and ᾱ, the part of the signal's variance that is
// left. Ho et al., "Denoising Diffusion Probabilistic Models" (2020); Lin et al., "Common Diffusion
// Noise Schedules and Sample Steps are Flawed" (2023), algorithm 1, for a last step without signal.
// Computed in float32 with PyTorch's own operations, so that the last digits are the reference's.
// Checked against diffusers' schedulers (betas, alphas_cumprod, add_noise, get_velocity).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "diffusion/config_reader.h"

namespace latentray {

// The keys that open every scheduler's config. Defaults differ from class to class.
struct NoiseScheduleOptions {
  int64_t num_train_timesteps = 1000;
  double beta_start = 0.0001;
  double beta_end = 0.02;
  std::string beta_schedule = "linear";
  std::optional<std::vector<double>> trained_betas = std::nullopt;  // replaces the three above
  bool rescale_betas_zero_snr = false;

  // Reads the five keys above rescale_betas_zero_snr, which diffusers declares last.
  // `more_schedules`: what the class knows besides linear, scaled_linear and squaredcos_cap_v2.
  static NoiseScheduleOptions from_config(ConfigReader& config, NoiseScheduleOptions defaults,
                                          const std::vector<std::string>& more_schedules = {});
};

class NoiseSchedule {
 public:
  // What the last timestep of a rescaled schedule keeps: nothing, or 2⁻²⁴, where σ must stay
  // finite.
  enum class Terminal { kZero, kTiny };

  NoiseSchedule() = default;
  explicit NoiseSchedule(const NoiseScheduleOptions& options, Terminal terminal = Terminal::kZero);

  int64_t num_train_timesteps() const { return alphas_cumprod_.size(0); }
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }  // [T] float32, CPU
  float alpha_cumprod(int64_t timestep) const;

  // original, noise [N, …]; timesteps [N] or [1]: whole numbers within the schedule.
  at::Tensor add_noise(const at::Tensor& original, const at::Tensor& noise,
                       const std::vector<double>& timesteps) const;
  at::Tensor velocity(const at::Tensor& sample, const at::Tensor& noise,
                      const std::vector<double>& timesteps) const;

 private:
  at::Tensor alphas_cumprod_at(const std::vector<double>& timesteps, const at::Tensor& like) const;

  at::Tensor alphas_cumprod_;
};

}  // namespace latentray
