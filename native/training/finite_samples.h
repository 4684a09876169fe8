// What is said of samples whose numbers are not finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace latentray {

// A tensor's numbers, brought to the CPU.
std::vector<double> numbers_of(const at::Tensor& tensor);

// ERR_NON_FINITE, with the step and the numbers of the samples whose `values` are not finite.
// `what` of them: "the loss", "the latents".
void require_finite(const std::vector<double>& values, const std::vector<uint64_t>& sample_numbers,
                    int64_t step, const std::string& what);

}  // namespace latentray
