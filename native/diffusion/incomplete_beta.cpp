#include "diffusion/incomplete_beta.h"

#include <cmath>
#include <limits>

namespace latentray {

namespace {

// The continued fraction of 8.17.22 by Lentz's method. Converges fast for x below the mean.
double continued_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  constexpr int kMostTerms = 10'000;
  const auto nonzero = [](double value) { return std::fabs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / nonzero(1 - (a + b) * x / (a + 1));
  double value = d;
  for (int m = 1; m <= kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonzero(1 + even * d);
    c = nonzero(1 + even / c);
    value *= c * d;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonzero(1 + odd * d);
    c = nonzero(1 + odd / c);
    value *= c * d;
    if (std::fabs(c * d - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return value;
}

}  // namespace

double regularized_incomplete_beta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularized_incomplete_beta(1 - x, b, a);
  const double beta = std::tgamma(a) * std::tgamma(b) / std::tgamma(a + b);
  return std::pow(x, a) * std::pow(1 - x, b) / (a * beta) * continued_fraction(x, a, b);
}

double beta_quantile(double p, double a, double b) {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  double low = 0;
  double high = 1;
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return middle;
    (regularized_incomplete_beta(middle, a, b) < p ? low : high) = middle;
  }
}

}  // namespace latentray
