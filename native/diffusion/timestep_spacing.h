// Which training timesteps a run of n steps visits. Lin et al., "Common Diffusion Noise Schedules
// and Sample Steps are Flawed" (2023), table 2. The arithmetic is NumPy's float64, ties to even, as
// in the reference: where a timestep falls between two, the last digit decides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "diffusion/config_reader.h"

namespace latentray {

enum class TimestepSpacing {
  kLinspace,  // both ends included
  kLeading,   // from 0 (plus steps_offset) upwards in whole strides
  kTrailing,  // from the last one downwards in even strides
};

// Key `timestep_spacing`.
TimestepSpacing read_timestep_spacing(ConfigReader& config, const std::string& fallback);

// Key `steps_offset`.
int64_t read_steps_offset(ConfigReader& config);

// n evenly spaced numbers; without `endpoint`, the last lies one stride before `stop`.
std::vector<double> linspace(double start, double stop, int64_t n, bool endpoint = true);

// Descending timesteps of a run, one a step. Linspace gives fractions.
std::vector<double> spaced_timesteps(TimestepSpacing spacing, int64_t steps_offset,
                                     int64_t num_train_timesteps, int64_t steps);

// Descending whole timesteps that start each of `steps` intervals, for solvers that end below the
// last one. `end`: one past the largest timestep that may be visited.
std::vector<double> interval_timesteps(TimestepSpacing spacing, int64_t steps_offset,
                                       int64_t num_train_timesteps, int64_t end, int64_t steps);

// Key `original_inference_steps` of the schedulers of distilled models.
int64_t read_original_inference_steps(ConfigReader& config, int64_t num_train_timesteps);

// Descending timesteps of a run over those of a model that was distilled to `original_steps` steps.
std::vector<double> distilled_timesteps(int64_t original_steps, int64_t num_train_timesteps,
                                        int64_t steps);

// Rounds each to a whole number, ties to even.
std::vector<double> rounded(std::vector<double> values);
// Rounds each to float32.
std::vector<double> as_float32(std::vector<double> values);

}  // namespace latentray
