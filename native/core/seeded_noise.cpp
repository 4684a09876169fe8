#include "core/seeded_noise.h"

#include <ATen/CPUGeneratorImpl.h>

#include "core/error.h"

namespace latentray {

NoiseSource::NoiseSource(const std::vector<uint64_t>& seeds) {
  LATENTRAY_CHECK(!seeds.empty(), "ERR_INVALID_ARG", "seeds: expected at least one");
  for (const uint64_t seed : seeds) {
    generators_.push_back(at::make_generator<at::CPUGeneratorImpl>(seed));
  }
}

at::Tensor NoiseSource::randn(at::IntArrayRef shape, const at::TensorOptions& options) {
  const auto draw = [](at::IntArrayRef size, const at::Generator& generator) {
    return at::randn(size, generator, at::TensorOptions().dtype(at::kFloat));
  };
  if (generators_.size() == 1) return draw(shape, generators_.front()).to(options);

  LATENTRAY_CHECK(!shape.empty() && shape[0] == static_cast<int64_t>(generators_.size()),
                  "ERR_SHAPE", "noise: expected a batch of ", generators_.size(),
                  " (one seed an image), received shape ", shape);
  std::vector<int64_t> row_shape(shape.begin(), shape.end());
  row_shape[0] = 1;
  std::vector<at::Tensor> rows;
  for (const auto& generator : generators_) rows.push_back(draw(row_shape, generator));
  return at::cat(rows).to(options);
}

}  // namespace latentray
