#include "diffusion/dpm_solver.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "diffusion/float32_math.h"

namespace latentray {

namespace {

// The parentheses are the reference's: where h is small, rounding decides.
struct Weights {
  float sample;
  float d0;
  float d1_midpoint;
  float d1_heun;
  float d2;
  float noise = 0;
};

Weights ode_plus_plus(const LogSnrLevel& from, const LogSnrLevel& to, float h) {
  const float e = torch_exp(-h) - 1;
  return {.sample = to.sigma / from.sigma,
          .d0 = -(to.alpha * e),
          .d1_midpoint = -(0.5f * (to.alpha * e)),
          .d1_heun = to.alpha * (e / h + 1),
          .d2 = -(to.alpha * ((e + h) / (h * h) - 0.5f))};
}

Weights ode(const LogSnrLevel& from, const LogSnrLevel& to, float h) {
  const float e = torch_exp(h) - 1;
  return {.sample = to.alpha / from.alpha,
          .d0 = -(to.sigma * e),
          .d1_midpoint = -(0.5f * (to.sigma * e)),
          .d1_heun = -(to.sigma * (e / h - 1)),
          .d2 = -(to.sigma * ((e - h) / (h * h) - 0.5f))};
}

Weights sde_plus_plus(const LogSnrLevel& from, const LogSnrLevel& to, float h) {
  const float e = 1 - torch_exp(-2 * h);
  return {.sample = to.sigma / from.sigma * torch_exp(-h),
          .d0 = to.alpha * e,
          .d1_midpoint = 0.5f * (to.alpha * e),
          .d1_heun = to.alpha * (e / (-2 * h) + 1),
          .d2 = to.alpha * ((e - 2 * h) / (2 * h * (2 * h)) - 0.5f),
          .noise = to.sigma * std::sqrt(e)};
}

Weights sde(const LogSnrLevel& from, const LogSnrLevel& to, float h) {
  const float e = torch_exp(h) - 1;
  return {.sample = to.alpha / from.alpha,
          .d0 = -2 * (to.sigma * e),
          .d1_midpoint = -(to.sigma * e),
          .d1_heun = -2 * (to.sigma * (e / h - 1)),
          .d2 = 0,  // no third order is known
          .noise = to.sigma * std::sqrt(torch_exp(2 * h) - 1)};
}

Weights weights(const DpmSolver& solver, const LogSnrLevel& from, const LogSnrLevel& to) {
  const float h = to.lambda - from.lambda;
  if (solver.stochastic) return solver.plus_plus ? sde_plus_plus(from, to, h) : sde(from, to, h);
  return solver.plus_plus ? ode_plus_plus(from, to, h) : ode(from, to, h);
}

}  // namespace

DpmSolver DpmSolver::from_config(ConfigReader& config, const std::vector<std::string>& allowed) {
  const auto algorithm =
      config.choice("algorithm_type", "dpmsolver++", allowed, {{"deis", "dpmsolver++"}});
  const auto type =
      config.choice("solver_type", "midpoint", {"midpoint", "heun"},
                    {{"logrho", "midpoint"}, {"bh1", "midpoint"}, {"bh2", "midpoint"}});
  return {.plus_plus = algorithm == "dpmsolver++" || algorithm == "sde-dpmsolver++",
          .stochastic = algorithm == "sde-dpmsolver" || algorithm == "sde-dpmsolver++",
          .heun = type == "heun"};
}

at::Tensor dpm_solver_update(const DpmSolver& solver, const LogSnrLevel& from,
                             const LogSnrLevel& to, const at::Tensor& sample,
                             const DpmDifferences& differences, const at::Tensor& noise) {
  const Weights w = weights(solver, from, to);
  auto next = w.sample * sample + w.d0 * differences.d0;
  if (differences.d1.defined()) {
    const bool heun = solver.heun || differences.exact_d1;
    next = next + (heun ? w.d1_heun : w.d1_midpoint) * differences.d1;
  }
  if (differences.d2.defined()) next = next + w.d2 * differences.d2;
  if (solver.stochastic) next = next + w.noise * noise;
  return next;
}

double DpmSolverScheduler::read_lambda_min(ConfigReader& config) {
  return config.number("lambda_min_clipped", -std::numeric_limits<double>::infinity());
}

bool DpmSolverScheduler::read_learned_variance(ConfigReader& config) {
  return config.optional_choice("variance_type", {"learned", "learned_range"}).has_value();
}

void DpmSolverScheduler::require_reachable(const ConfigReader& config, const DpmSolver& solver,
                                           FinalSigma final_sigma) {
  if (!solver.plus_plus && final_sigma == FinalSigma::kZero) {
    config.reject("final_sigmas_type", "'sigma_min' for an algorithm_type without '++'");
  }
}

int64_t DpmSolverScheduler::timesteps_above(double lambda_min) const {
  const auto& alphas_cumprod = noise_schedule_.alphas_cumprod();
  const auto lambdas = alphas_cumprod.sqrt().log() - (1 - alphas_cumprod).sqrt().log();
  const auto count = (lambdas >= lambda_min).sum().item<int64_t>();
  LATENTRAY_CHECK(count >= 1, "ERR_CONFIG_INVALID", class_name(),
                  ": 'lambda_min_clipped': expected less than ", lambdas[0].item<float>(),
                  " (the least noisy training timestep), found ", lambda_min);
  return count;
}

at::Tensor DpmSolverScheduler::convert(const DpmSolver& solver, const SampleLimits& limits,
                                       const at::Tensor& model_output, size_t index,
                                       const at::Tensor& sample) const {
  const auto output = model_output.narrow(1, 0, sample.size(1));  // [N, C, H, W]
  if (solver.plus_plus) return limits.apply(x0(output, index, sample));
  const auto noise = epsilon(output, index, sample);
  if (!limits.thresholding) return noise;
  const auto [alpha, sigma, lambda] = level(index);
  const auto clean =
      limits.apply(predict_x0(PredictionType::kEpsilon, noise, sample, alpha, sigma));
  return predict_epsilon(PredictionType::kSample, clean, sample, alpha, sigma);
}

}  // namespace latentray
