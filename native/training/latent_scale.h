// The factor that gives latents unit variance, measured on the data: diffusion models are trained
// on latents times this. Rombach et al. (2022), appendix G; checked against
// CompVis/latent-diffusion's ldm/models/diffusion/ddpm.py (scale_by_std).
#pragma once

#include "models/autoencoder.h"

namespace latentray {

// Sums over latents that are drawn from what the encoder says of images. Sums of batches, and of
// the ranks of a process group, add up.
struct LatentSums {
  double count = 0;
  double sum = 0;
  double sum_of_squares = 0;
};

// The sums' expectation over the encoder's noise, so that nothing is drawn.
LatentSums latent_sums(const LatentDistribution& distribution);

}  // namespace latentray
