#include "diffusion/timestep_spacing.h"

#include <algorithm>
#include <cmath>

namespace latentray {

namespace {

// numpy.arange(start, 0, −stride), rounded, less one. NumPy multiplies the stride that it finds
// between its first two values.
std::vector<double> trailing_timesteps(double start, double stride) {
  const auto count = static_cast<int64_t>(std::ceil(-start / -stride));
  const double step = (start - stride) - start;
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(std::nearbyint(start + static_cast<double>(i) * step) - 1);
  }
  return values;
}

std::vector<double> leading_timesteps(int64_t first, int64_t last, int64_t stride, int64_t offset) {
  LATENTRAY_CHECK(stride >= 1, "ERR_INVALID_ARG",
                  "steps: too many for timestep_spacing 'leading': the stride would be 0");
  std::vector<double> values;
  for (int64_t i = last; i >= first; --i) {
    values.push_back(static_cast<double>(i * stride + offset));
  }
  return values;
}

}  // namespace

TimestepSpacing read_timestep_spacing(ConfigReader& config, const std::string& fallback) {
  const auto name =
      config.choice("timestep_spacing", fallback, {"linspace", "leading", "trailing"});
  if (name == "linspace") return TimestepSpacing::kLinspace;
  return name == "leading" ? TimestepSpacing::kLeading : TimestepSpacing::kTrailing;
}

int64_t read_steps_offset(ConfigReader& config) { return config.integer("steps_offset", 0, 0); }

int64_t read_original_inference_steps(ConfigReader& config, int64_t num_train_timesteps) {
  const int64_t steps = config.integer("original_inference_steps", 50, 1);
  if (steps > num_train_timesteps) {
    config.reject("original_inference_steps",
                  c10::str("at most num_train_timesteps (", num_train_timesteps, ")"));
  }
  return steps;
}

std::vector<double> linspace(double start, double stop, int64_t n, bool endpoint) {
  const int64_t intervals = endpoint ? n - 1 : n;
  const double span = stop - start;
  const double stride = intervals > 0 ? span / static_cast<double>(intervals) : span;
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<double>(i) * stride + start);
  if (endpoint && n > 1) values.back() = stop;
  return values;
}

std::vector<double> spaced_timesteps(TimestepSpacing spacing, int64_t steps_offset,
                                     int64_t num_train_timesteps, int64_t steps) {
  const auto total = static_cast<double>(num_train_timesteps);
  switch (spacing) {
    case TimestepSpacing::kLeading:
      return leading_timesteps(0, steps - 1, num_train_timesteps / steps, steps_offset);
    case TimestepSpacing::kTrailing:
      return trailing_timesteps(total, total / static_cast<double>(steps));
    case TimestepSpacing::kLinspace:
      break;
  }
  auto values = linspace(0, total - 1, steps);
  std::reverse(values.begin(), values.end());
  return values;
}

std::vector<double> interval_timesteps(TimestepSpacing spacing, int64_t steps_offset,
                                       int64_t num_train_timesteps, int64_t end, int64_t steps) {
  switch (spacing) {
    case TimestepSpacing::kLeading:
      return leading_timesteps(1, steps, end / (steps + 1), steps_offset);
    case TimestepSpacing::kTrailing:
      return trailing_timesteps(static_cast<double>(end), static_cast<double>(num_train_timesteps) /
                                                              static_cast<double>(steps));
    case TimestepSpacing::kLinspace:
      break;
  }
  auto values = linspace(0, static_cast<double>(end - 1), steps + 1);
  std::reverse(values.begin(), values.end());
  values.pop_back();
  return rounded(std::move(values));
}

std::vector<double> distilled_timesteps(int64_t original_steps, int64_t num_train_timesteps,
                                        int64_t steps) {
  LATENTRAY_CHECK(steps <= original_steps, "ERR_INVALID_ARG", "steps: expected 1 to ",
                  original_steps, " (original_inference_steps), received ", steps);
  const int64_t stride = num_train_timesteps / original_steps;
  auto values = linspace(0, static_cast<double>(original_steps), steps, /*endpoint=*/false);
  for (double& value : values) {
    const int64_t skipped = static_cast<int64_t>(value);
    value = static_cast<double>((original_steps - skipped) * stride - 1);
  }
  return values;
}

std::vector<double> rounded(std::vector<double> values) {
  for (double& value : values) value = std::nearbyint(value);
  return values;
}

std::vector<double> as_float32(std::vector<double> values) {
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
  return values;
}

}  // namespace latentray
