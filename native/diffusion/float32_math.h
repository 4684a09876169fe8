// Transcendental functions of one float32, rounded as PyTorch's CPU kernels round them: the C
// library's last bit may differ, and a difference of two logarithms makes that bit count.
#pragma once

namespace latentray {

float torch_log(float x);
float torch_exp(float x);
float torch_expm1(float x);

}  // namespace latentray
