// Noise as PyTorch draws it: one CPU mt19937 generator a seed, float32, then moved and cast, so
// that a seed gives the same noise on every device and in every dtype.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/Generator.h>

#include <cstdint>
#include <vector>

namespace latentray {

// A source of standard normal noise for a batch. One generator draws the whole tensor; as many
// generators as the batch has rows draw one row each (diffusers' randn_tensor).
class NoiseSource {
 public:
  explicit NoiseSource(const std::vector<uint64_t>& seeds);

  // shape [N, …]; N must be the number of seeds unless there is one seed.
  at::Tensor randn(at::IntArrayRef shape, const at::TensorOptions& options);

  const std::vector<at::Generator>& generators() const { return generators_; }

 private:
  std::vector<at::Generator> generators_;
};

}  // namespace latentray
