#include "metrics/image_similarity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

namespace {

using at::Tensor;

constexpr double kSigma = 1.5;
constexpr int64_t kRadius = 5;  // ⌊3.5 σ + 0.5⌋
constexpr int64_t kWindow = 2 * kRadius + 1;
constexpr std::array<double, 5> kScaleWeights = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

void check_pair(const Tensor& a, const Tensor& b) {
  LATENTRAY_CHECK(a.dim() == 4, "ERR_SHAPE", "images: expected [N, C, H, W], found ", a.sizes());
  LATENTRAY_CHECK(a.sizes() == b.sizes(), "ERR_SHAPE",
                  "images: expected two batches of one shape, ", "found ", a.sizes(), " and ",
                  b.sizes());
  LATENTRAY_CHECK(a.numel() > 0, "ERR_SHAPE", "images: expected pixels, found ", a.sizes());
  for (const Tensor& images : {a, b}) {
    LATENTRAY_CHECK(images.is_floating_point(), "ERR_DTYPE",
                    "images: expected floating point, found ", images.scalar_type());
    LATENTRAY_CHECK(images.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                    "images: expected finite values, found NaN or infinity");
  }
}

void check_range(double data_range) {
  LATENTRAY_CHECK(std::isfinite(data_range) && data_range > 0, "ERR_INVALID_ARG",
                  "data_range: expected a positive number, found ", data_range);
}

void check_holds_window(int64_t side, int64_t side_at_smallest_scale) {
  LATENTRAY_CHECK(side_at_smallest_scale >= kWindow, "ERR_SHAPE", "images: a side of ", side,
                  " pixels is too small: the smallest scale has ", side_at_smallest_scale,
                  " pixels, and the window ", kWindow);
}

// One figure for each pair of images [1, C, H, W].
template <class Figure>
Tensor per_image(const Tensor& a, const Tensor& b, const Figure& figure) {
  Tensor figures = at::empty({a.size(0)}, at::kDouble);
  for (int64_t i = 0; i < a.size(0); ++i) {
    cancellation_point();
    figures[i] = figure(a.narrow(0, i, 1), b.narrow(0, i, 1));
  }
  return figures;
}

double mean_squared_error(const Tensor& a, const Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).square().mean().item<double>();
}

Tensor gaussian_window(const at::TensorOptions& options) {
  const Tensor distance = at::arange(-kRadius, kRadius + 1, options);
  const Tensor window = at::exp(-at::pow(distance / kSigma, 2) / 2);
  return window / window.sum();  // [11]
}

Tensor smooth_along(const Tensor& x, const Tensor& window, int64_t dim) {
  const int64_t length = x.size(dim) - 2 * kRadius;
  Tensor smoothed = x.narrow(dim, 0, length) * window[0];
  for (int64_t i = 1; i < kWindow; ++i) smoothed.addcmul_(x.narrow(dim, i, length), window[i]);
  return smoothed;
}

// The window's mean around every pixel that the window fits around.
Tensor local_mean(const Tensor& x) {
  const Tensor window = gaussian_window(x.options());
  if (x.scalar_type() == at::kDouble) {
    // LibTorch would unfold a float64 convolution in memory, 121 times the image.
    return smooth_along(smooth_along(x, window, 2), window, 3);  // [N, C, H - 10, W - 10]
  }
  const Tensor kernel = at::outer(window, window).expand({x.size(1), 1, kWindow, kWindow});
  const at::NoTF32Guard full_float32;
  const int64_t padding = 0;
  return at::conv2d(x, kernel, {}, 1, padding, 1, x.size(1));  // [N, C, H - 10, W - 10]
}

struct Similarity {
  double ssim;
  double contrast;  // SSIM without its comparison of brightness
};

Similarity compare(Tensor a, Tensor b, double data_range, SsimBorder border) {
  const bool reflected = border == SsimBorder::kReflected;
  if (reflected) {
    a = at::reflection_pad2d(a, {kRadius, kRadius, kRadius, kRadius});
    b = at::reflection_pad2d(b, {kRadius, kRadius, kRadius, kRadius});
  }
  const auto means = local_mean(at::cat({a, b, a * a, b * b, a * b})).chunk(5);
  const Tensor mean_aa = means[0].square();
  const Tensor mean_bb = means[1].square();
  const Tensor mean_ab = means[0] * means[1];
  const Tensor variance_a = (means[2] - mean_aa).clamp_min(0);
  const Tensor variance_b = (means[3] - mean_bb).clamp_min(0);
  const Tensor covariance = means[4] - mean_ab;

  const double c1 = std::pow(0.01 * data_range, 2);
  const double c2 = std::pow(0.03 * data_range, 2);
  const Tensor shared = 2 * covariance + c2;
  const Tensor total = variance_a + variance_b + c2;
  const Tensor ssim = ((2 * mean_ab + c1) * shared) / ((mean_aa + mean_bb + c1) * total);
  Tensor contrast = shared / total;
  if (reflected) {
    // torchmetrics mirrors for SSIM and leaves the border out of the contrast.
    contrast = contrast.narrow(2, kRadius, contrast.size(2) - 2 * kRadius);
    contrast = contrast.narrow(3, kRadius, contrast.size(3) - 2 * kRadius);
  }
  return {ssim.mean(at::kDouble).item<double>(), contrast.mean(at::kDouble).item<double>()};
}

at::ScalarType computing_dtype(const Tensor& a, const Tensor& b, SsimBorder border) {
  if (border == SsimBorder::kCropped) return at::kDouble;
  return at::promote_types(at::promote_types(a.scalar_type(), b.scalar_type()), at::kFloat);
}

Tensor halve(const Tensor& x, SsimBorder border) {
  if (border == SsimBorder::kReflected) return at::avg_pool2d(x, 2);  // [N, C, ⌊H/2⌋, ⌊W/2⌋]
  // pytorch_msssim adds a row of zeros on both sides of an odd length.
  return at::avg_pool2d(x, 2, 2, {x.size(2) % 2, x.size(3) % 2});  // [N, C, ⌈H/2⌉, ⌈W/2⌉]
}

double multi_scale(Tensor a, Tensor b, double data_range, SsimBorder border) {
  double product = 1;
  for (size_t scale = 0; scale < kScaleWeights.size(); ++scale) {
    if (scale > 0) {
      a = halve(a, border);
      b = halve(b, border);
    }
    const Similarity similarity = compare(a, b, data_range, border);
    const bool smallest = scale + 1 == kScaleWeights.size();
    const double part = smallest ? similarity.ssim : similarity.contrast;
    product *= std::pow(std::max(part, 0.0), kScaleWeights[scale]);
  }
  return product;
}

}  // namespace

Tensor rmse(const Tensor& a, const Tensor& b) {
  check_pair(a, b);
  return per_image(
      a, b, [](const Tensor& x, const Tensor& y) { return std::sqrt(mean_squared_error(x, y)); });
}

Tensor psnr(const Tensor& a, const Tensor& b, double data_range) {
  check_pair(a, b);
  check_range(data_range);
  return per_image(a, b, [&](const Tensor& x, const Tensor& y) {
    return 10 * std::log10(data_range * data_range / mean_squared_error(x, y));
  });
}

Tensor ssim(const Tensor& a, const Tensor& b, double data_range, SsimBorder border) {
  check_pair(a, b);
  check_range(data_range);
  for (const int64_t side : {a.size(2), a.size(3)}) check_holds_window(side, side);
  const at::ScalarType dtype = computing_dtype(a, b, border);
  return per_image(a, b, [&](const Tensor& x, const Tensor& y) {
    return compare(x.to(dtype), y.to(dtype), data_range, border).ssim;
  });
}

Tensor ms_ssim(const Tensor& a, const Tensor& b, double data_range, SsimBorder border) {
  check_pair(a, b);
  check_range(data_range);
  const int64_t rounding = border == SsimBorder::kCropped ? 15 : 0;
  for (const int64_t side : {a.size(2), a.size(3)})
    check_holds_window(side, (side + rounding) / 16);
  const at::ScalarType dtype = computing_dtype(a, b, border);
  return per_image(a, b, [&](const Tensor& x, const Tensor& y) {
    return multi_scale(x.to(dtype), y.to(dtype), data_range, border);
  });
}

}  // namespace latentray
