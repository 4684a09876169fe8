#include "training/finite_samples.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace latentray {

std::vector<double> numbers_of(const at::Tensor& tensor) {
  const auto numbers = tensor.detach().to(at::kCPU, at::kDouble);
  return {numbers.const_data_ptr<double>(), numbers.const_data_ptr<double>() + numbers.numel()};
}

void require_finite(const std::vector<double>& values, const std::vector<uint64_t>& sample_numbers,
                    int64_t step, const std::string& what) {
  std::string samples;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    samples += c10::str(samples.empty() ? "" : ", ", sample_numbers[i]);
  }
  if (samples.empty()) return;
  throw Error("ERR_NON_FINITE",
              c10::str("step ", step, ": ", what, " of samples ", samples,
                       ": expected finite numbers, found others. Look at these images, or lower "
                       "the learning rate"),
              {{"step", std::to_string(step)}, {"samples", samples}});
}

}  // namespace latentray
