#include "diffusion/noise_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace latentray {

namespace {

// More would only fill the memory.
constexpr int64_t kMostTrainTimesteps = 1'000'000;
constexpr double kPi = 3.14159265358979323846;

at::Tensor linear_betas(double start, double end, int64_t count) {
  return at::linspace(start, end, count, at::kFloat);  // [T]
}

// β from ᾱ as a function of time in [0, 1].
at::Tensor betas_for_alpha_bar(int64_t count, const std::function<double(double)>& alpha_bar) {
  constexpr double kMostBeta = 0.999;
  std::vector<float> betas;
  for (int64_t i = 0; i < count; ++i) {
    const double from = static_cast<double>(i) / static_cast<double>(count);
    const double to = static_cast<double>(i + 1) / static_cast<double>(count);
    betas.push_back(static_cast<float>(std::min(1 - alpha_bar(to) / alpha_bar(from), kMostBeta)));
  }
  return at::tensor(betas);  // [T]
}

double cosine_alpha_bar(double t) {
  const double cosine = std::cos((t + 0.008) / 1.008 * kPi / 2);
  return cosine * cosine;
}

double exponential_alpha_bar(double t) { return std::exp(t * -12.0); }

double laplace_alpha_bar(double t) {
  const double log_snr =
      -0.5 * std::copysign(1.0, 0.5 - t) * std::log(1 - 2 * std::fabs(0.5 - t) + 1e-6);
  const double snr = std::exp(log_snr);
  return std::sqrt(snr / (1 + snr));
}

at::Tensor make_betas(const NoiseScheduleOptions& options) {
  const int64_t count = options.num_train_timesteps;
  const double start = options.beta_start;
  const double end = options.beta_end;
  const std::string& name = options.beta_schedule;
  if (options.trained_betas) return at::tensor(*options.trained_betas).to(at::kFloat);  // [T]
  if (name == "scaled_linear") {
    // pow, not sqrt: the reference's rounding.
    return linear_betas(std::pow(start, 0.5), std::pow(end, 0.5), count).square();
  }
  if (name == "squaredcos_cap_v2") return betas_for_alpha_bar(count, cosine_alpha_bar);
  if (name == "exp") return betas_for_alpha_bar(count, exponential_alpha_bar);
  if (name == "laplace") return betas_for_alpha_bar(count, laplace_alpha_bar);
  if (name == "sigmoid") {
    return at::sigmoid(linear_betas(-6, 6, count)) * (end - start) + start;
  }
  return linear_betas(start, end, count);
}

// Shifts and scales sqrt(ᾱ) so that it ends at 0 and starts where it did.
at::Tensor rescale_to_zero_terminal_snr(const at::Tensor& betas) {
  auto root = at::cumprod(1.0 - betas, 0).sqrt();
  const auto first = root[0].clone();
  const auto last = root[-1].clone();
  root = (root - last) * (first / (first - last));
  const auto alphas_cumprod = root.square();
  const auto alphas = alphas_cumprod.slice(0, 1) / alphas_cumprod.slice(0, 0, -1);
  return 1 - at::cat({alphas_cumprod.slice(0, 0, 1), alphas});
}

at::Tensor one_a_row(const at::Tensor& values, const at::Tensor& like) {
  std::vector<int64_t> shape(std::max<int64_t>(like.dim(), 1), 1);
  shape[0] = values.size(0);
  return values.reshape(shape).to(like.device());  // [N, 1, …]
}

}  // namespace

NoiseScheduleOptions NoiseScheduleOptions::from_config(
    ConfigReader& config, NoiseScheduleOptions defaults,
    const std::vector<std::string>& more_schedules) {
  NoiseScheduleOptions options = std::move(defaults);
  options.num_train_timesteps =
      config.integer("num_train_timesteps", options.num_train_timesteps, 1);
  if (options.num_train_timesteps > kMostTrainTimesteps) {
    config.reject("num_train_timesteps", c10::str("at most ", kMostTrainTimesteps));
  }
  options.beta_start = config.number("beta_start", options.beta_start);
  options.beta_end = config.number("beta_end", options.beta_end);
  for (const auto& [key, beta] :
       {std::pair("beta_start", options.beta_start), std::pair("beta_end", options.beta_end)}) {
    if (!(beta > 0 && beta < 1)) config.reject(key, "a number between 0 and 1");
  }
  std::vector<std::string> schedules{"linear", "scaled_linear", "squaredcos_cap_v2"};
  schedules.insert(schedules.end(), more_schedules.begin(), more_schedules.end());
  options.beta_schedule = config.choice("beta_schedule", options.beta_schedule, schedules);
  options.trained_betas = config.optional_numbers("trained_betas");
  if (options.trained_betas) {
    const auto& betas = *options.trained_betas;
    const bool valid =
        static_cast<int64_t>(betas.size()) == options.num_train_timesteps &&
        std::all_of(betas.begin(), betas.end(), [](double beta) { return beta > 0 && beta <= 1; });
    if (!valid) {
      config.reject("trained_betas", c10::str("num_train_timesteps (", options.num_train_timesteps,
                                              ") numbers above 0, at most 1"));
    }
  }
  return options;
}

NoiseSchedule::NoiseSchedule(const NoiseScheduleOptions& options, Terminal terminal) {
  auto betas = make_betas(options);
  if (options.rescale_betas_zero_snr) betas = rescale_to_zero_terminal_snr(betas);
  alphas_cumprod_ = at::cumprod(1.0 - betas, 0);  // [T]
  if (options.rescale_betas_zero_snr && terminal == Terminal::kTiny) {
    alphas_cumprod_[-1].fill_(std::ldexp(1.0, -24));
  }
}

float NoiseSchedule::alpha_cumprod(int64_t timestep) const {
  return alphas_cumprod_.const_data_ptr<float>()[timestep];
}

at::Tensor NoiseSchedule::alphas_cumprod_at(const std::vector<double>& timesteps,
                                            const at::Tensor& like) const {
  const double end = static_cast<double>(num_train_timesteps());
  std::vector<float> values;
  for (const double t : timesteps) {
    LATENTRAY_CHECK(t >= 0 && t < end && t == std::floor(t), "ERR_INVALID_ARG",
                    "timesteps: expected whole numbers from 0 to ", end - 1, ", received ", t);
    values.push_back(alpha_cumprod(static_cast<int64_t>(t)));
  }
  return at::tensor(values).to(like.scalar_type());  // [N]
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& original, const at::Tensor& noise,
                                    const std::vector<double>& timesteps) const {
  const auto alphas_cumprod = alphas_cumprod_at(timesteps, original);
  return one_a_row(alphas_cumprod.sqrt(), original) * original +
         one_a_row((1 - alphas_cumprod).sqrt(), original) * noise;
}

at::Tensor NoiseSchedule::velocity(const at::Tensor& sample, const at::Tensor& noise,
                                   const std::vector<double>& timesteps) const {
  const auto alphas_cumprod = alphas_cumprod_at(timesteps, sample);
  return one_a_row(alphas_cumprod.sqrt(), sample) * noise -
         one_a_row((1 - alphas_cumprod).sqrt(), sample) * sample;
}

}  // namespace latentray
