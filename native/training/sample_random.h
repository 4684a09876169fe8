// Randomness without a state: what is drawn for one sample in one step depends only on the seed,
// the purpose, the step and the sample's number in the whole order of the data. A run that resumes,
// and one of several processes, draw what one run of one process draws.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace latentray {

enum class RandomPurpose : uint64_t {
  kLatentNoise = 1,
  kDiscriminator = 2,
  kNoise = 3,
  kTimestep = 4,
  kNoiseOffset = 5,
  kInputPerturbation = 6,
  kLowRankFactors = 7,
  kAugmentation = 8,
};

uint64_t mix_seed(uint64_t seed, RandomPurpose purpose, uint64_t step, uint64_t sample);

at::Generator generator_of(uint64_t seed, RandomPurpose purpose, uint64_t step, uint64_t sample);

// Standard normal noise [samples, …row], float32 on the CPU, each row of its own generator.
at::Tensor randn_of_samples(uint64_t seed, RandomPurpose purpose, uint64_t step,
                            const std::vector<uint64_t>& samples, at::IntArrayRef row);

// One whole number below `end` a sample.
std::vector<int64_t> randint_of_samples(uint64_t seed, RandomPurpose purpose, uint64_t step,
                                        const std::vector<uint64_t>& samples, int64_t end);

}  // namespace latentray
