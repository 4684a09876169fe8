#include "diffusion/sigma_scheduler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace latentray {

namespace {

at::Tensor one_a_row(const std::vector<float>& sigmas, const at::Tensor& like) {
  std::vector<int64_t> shape(std::max<int64_t>(like.dim(), 1), 1);
  shape[0] = static_cast<int64_t>(sigmas.size());
  return at::tensor(sigmas).reshape(shape).to(like.options());  // [N, 1, …]
}

}  // namespace

void SigmaScheduler::set_noise_schedule(const NoiseScheduleOptions& options) {
  noise_schedule_ = NoiseSchedule(options, NoiseSchedule::Terminal::kTiny);
  table_ = SigmaTable(noise_schedule_);
}

float SigmaScheduler::sigma_of(double timestep) const {
  if (timesteps_.empty()) {
    const auto count = static_cast<double>(table_.sigmas().size());
    LATENTRAY_CHECK(timestep >= 0 && timestep < count && timestep == std::floor(timestep),
                    "ERR_INVALID_ARG", "timesteps: expected whole numbers from 0 to ", count - 1,
                    ", received ", timestep);
    return table_.sigmas()[static_cast<size_t>(timestep)];
  }
  const auto found = std::find(timesteps_.begin(), timesteps_.end(), timestep);
  LATENTRAY_CHECK(found != timesteps_.end(), "ERR_INVALID_ARG",
                  "timesteps: expected those that set_timesteps chose, received ", timestep);
  // Of two equal timesteps the reference takes the second, so that an image-to-image run that
  // starts there skips no noise level.
  const auto again = std::find(found + 1, timesteps_.end(), timestep);
  return sigmas_[(again == timesteps_.end() ? found : again) - timesteps_.begin()];
}

at::Tensor SigmaScheduler::noise_to(const at::Tensor& original, const at::Tensor& noise,
                                    const std::vector<double>& timesteps) const {
  std::vector<float> sigmas;
  for (const double t : timesteps) sigmas.push_back(sigma_of(t));
  return mix(original, noise, one_a_row(sigmas, original));
}

at::Tensor SigmaScheduler::noise_to_index(const at::Tensor& original, const at::Tensor& noise,
                                          size_t index) const {
  return mix(original, noise, one_a_row({sigmas_[index]}, original));
}

}  // namespace latentray
