// The beta distribution's quantiles, for beta-spaced noise levels. NIST Digital Library of
// Mathematical Functions, 8.17 (8.17.22 is the continued fraction). Checked against
// scipy.stats.beta.
#pragma once

namespace latentray {

// I_x(a, b), the beta distribution's cumulative distribution function; x in [0, 1], a and b > 0.
double regularized_incomplete_beta(double x, double a, double b);

// The x at which I_x(a, b) is p; p in [0, 1].
double beta_quantile(double p, double a, double b);

}  // namespace latentray
