// The Fréchet distance of two normal distributions: FID where the features are Inception's. Heusel
// et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"
// (2017).
#pragma once

#include "metrics/feature_statistics.h"

namespace latentray {

// ‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2 tr √(Σ₁ Σ₂), never below 0 but for rounding. Covariances of fewer
// rows than columns are singular: the root is taken of a symmetric matrix, which they do not upset.
// ERR_SHAPE, ERR_INVALID_ARG for fewer than two rows.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b);

}  // namespace latentray
