#include "diffusion/sigma_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "diffusion/incomplete_beta.h"
#include "diffusion/timestep_spacing.h"

namespace latentray {

namespace {

constexpr double kSmallestSigma = 1e-10;  // where a logarithm is taken

std::vector<float> to_vector(const at::Tensor& values) {
  const auto contiguous = values.contiguous();
  const float* data = contiguous.const_data_ptr<float>();
  return {data, data + contiguous.numel()};
}

// The float32 that is nearest to log x: what NumPy's float32 logarithm gives up to its last bit.
float float_log(double x) { return static_cast<float>(std::log(x)); }

std::vector<double> karras_sigmas(double smallest, double largest, int64_t n) {
  constexpr double kRho = 7.0;
  const double from = std::pow(largest, 1 / kRho);
  const double to = std::pow(smallest, 1 / kRho);
  auto values = linspace(0, 1, n);
  for (double& value : values) value = std::pow(from + value * (to - from), kRho);
  return values;
}

std::vector<double> log_spaced_sigmas(double smallest_log, double largest_log, int64_t n) {
  auto values = linspace(largest_log, smallest_log, n);
  for (double& value : values) value = std::exp(value);
  return values;
}

std::vector<double> beta_sigmas(double smallest, double largest, int64_t n) {
  constexpr double kAlpha = 0.6;
  constexpr double kBeta = 0.6;
  auto values = linspace(0, 1, n);
  for (double& value : values) {
    value = smallest + beta_quantile(1 - value, kAlpha, kBeta) * (largest - smallest);
  }
  return values;
}

}  // namespace

SigmaTable::SigmaTable(const NoiseSchedule& schedule) {
  const auto& alphas_cumprod = schedule.alphas_cumprod();
  const auto sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt();
  LATENTRAY_CHECK(sigmas.isfinite().all().item<bool>(), "ERR_CONFIG_INVALID",
                  "betas: a training timestep keeps no signal, so that its sigma is infinite");
  sigmas_ = to_vector(sigmas);
  for (const float sigma : sigmas_) log_sigmas_.push_back(float_log(sigma));
}

double SigmaTable::sigma_at(double timestep) const {
  const auto last = static_cast<double>(sigmas_.size() - 1);
  if (timestep <= 0) return sigmas_.front();
  if (timestep >= last) return sigmas_.back();
  const auto low = static_cast<size_t>(timestep);
  const double from = sigmas_[low];
  const double slope = sigmas_[low + 1] - from;
  return slope * (timestep - static_cast<double>(low)) + from;
}

template <class Real>
Real SigmaTable::timestep_of_log_sigma(Real log_sigma) const {
  if (log_sigmas_.size() < 2) return 0;
  const auto above = std::upper_bound(log_sigmas_.begin(), log_sigmas_.end(), log_sigma);
  const auto below = std::max<std::ptrdiff_t>(above - log_sigmas_.begin() - 1, 0);
  const size_t low = std::min<size_t>(below, log_sigmas_.size() - 2);
  const Real from = log_sigmas_[low];
  const Real to = log_sigmas_[low + 1];
  const Real weight = std::clamp<Real>((from - log_sigma) / (from - to), 0, 1);
  return (1 - weight) * static_cast<Real>(low) + weight * static_cast<Real>(low + 1);
}

double SigmaTable::timestep_of(double sigma) const {
  return timestep_of_log_sigma(std::log(std::max(sigma, kSmallestSigma)));
}

float SigmaTable::timestep_in_float32(float sigma) const {
  return timestep_of_log_sigma(float_log(std::max<double>(sigma, kSmallestSigma)));
}

SigmaSpacing read_sigma_spacing(ConfigReader& config, bool with_lu) {
  SigmaSpacing spacing = SigmaSpacing::kTimesteps;
  const auto read = [&](const char* key, SigmaSpacing meaning) {
    if (!config.boolean(key, false)) return;
    if (spacing != SigmaSpacing::kTimesteps) {
      config.reject(key, "at most one way to space the sigmas");
    }
    spacing = meaning;
  };
  read("use_karras_sigmas", SigmaSpacing::kKarras);
  read("use_exponential_sigmas", SigmaSpacing::kExponential);
  read("use_beta_sigmas", SigmaSpacing::kBeta);
  if (with_lu) read("use_lu_lambdas", SigmaSpacing::kLu);
  return spacing;
}

std::vector<double> spaced_sigmas(SigmaSpacing spacing, double smallest, double largest,
                                  int64_t n) {
  switch (spacing) {
    case SigmaSpacing::kKarras:
      return karras_sigmas(smallest, largest, n);
    case SigmaSpacing::kBeta:
      return beta_sigmas(smallest, largest, n);
    case SigmaSpacing::kLu:
      return log_spaced_sigmas(float_log(smallest), float_log(largest), n);
    default:
      return log_spaced_sigmas(std::log(smallest), std::log(largest), n);
  }
}

FinalSigma read_final_sigma(ConfigReader& config) {
  const auto name = config.choice("final_sigmas_type", "zero", {"zero", "sigma_min"});
  return name == "zero" ? FinalSigma::kZero : FinalSigma::kSmallest;
}

}  // namespace latentray
