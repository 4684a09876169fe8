#include "training/sample_random.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace latentray {

namespace {

// The finisher of splitmix64 (Steele et al., "Fast Splittable Pseudorandom Number Generators",
// 2014).
uint64_t scramble(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t mix_seed(uint64_t seed, RandomPurpose purpose, uint64_t step, uint64_t sample) {
  uint64_t mixed = scramble(seed);
  for (const uint64_t part : {static_cast<uint64_t>(purpose), step, sample}) {
    mixed = scramble(mixed ^ part);
  }
  return mixed;
}

at::Generator generator_of(uint64_t seed, RandomPurpose purpose, uint64_t step, uint64_t sample) {
  return at::make_generator<at::CPUGeneratorImpl>(mix_seed(seed, purpose, step, sample));
}

at::Tensor randn_of_samples(uint64_t seed, RandomPurpose purpose, uint64_t step,
                            const std::vector<uint64_t>& samples, at::IntArrayRef row) {
  std::vector<at::Tensor> rows;
  for (const uint64_t sample : samples) {
    const auto generator = generator_of(seed, purpose, step, sample);
    rows.push_back(at::randn(row, generator, at::TensorOptions(at::kFloat)));
  }
  return at::stack(rows);
}

std::vector<int64_t> randint_of_samples(uint64_t seed, RandomPurpose purpose, uint64_t step,
                                        const std::vector<uint64_t>& samples, int64_t end) {
  std::vector<int64_t> numbers;
  for (const uint64_t sample : samples) {
    const auto generator = generator_of(seed, purpose, step, sample);
    numbers.push_back(
        at::randint(0, end, {}, generator, at::TensorOptions(at::kLong)).item<int64_t>());
  }
  return numbers;
}

}  // namespace latentray
