// How much of an image's variance lies at which spatial frequency.
#pragma once

#include <ATen/core/Tensor.h>

namespace latentray {

// [N, C, H, W] of floating point → float64 [N, S / 2 + 1] on the CPU, S the shorter side: ring k
// holds the mean of |DFT|² / (H · W) over the frequencies that round to k / S cycles a pixel,
// averaged over channels. The mean of the pixels is taken off and a Hann window laid over them
// first, divided by its own mean square: the step between opposite borders would else fill every
// frequency. Frequencies beyond 1/2, which only diagonals have, are left out. ERR_SHAPE (sides from
// 4 pixels), ERR_DTYPE, ERR_NON_FINITE.
at::Tensor power_spectrum(const at::Tensor& images);

}  // namespace latentray
