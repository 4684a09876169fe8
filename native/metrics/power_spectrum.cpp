#include "metrics/power_spectrum.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

namespace {

using at::Tensor;

constexpr int64_t kSmallestSide = 4;

void check_pixels(const Tensor& images) {
  LATENTRAY_CHECK(images.dim() == 4 && images.numel() > 0, "ERR_SHAPE",
                  "images: expected [N, C, H, W] with pixels, found ", images.sizes());
  LATENTRAY_CHECK(std::min(images.size(2), images.size(3)) >= kSmallestSide, "ERR_SHAPE",
                  "images: expected sides of at least ", kSmallestSide, " pixels, found ",
                  images.sizes());
  LATENTRAY_CHECK(images.is_floating_point(), "ERR_DTYPE",
                  "images: expected floating point, found ", images.scalar_type());
  LATENTRAY_CHECK(images.isfinite().all().item<bool>(), "ERR_NON_FINITE",
                  "images: expected finite values, found NaN or infinity");
}

// [H, W], of mean square 1.
Tensor window_of(int64_t height, int64_t width) {
  const Tensor rows = at::hann_window(height, at::kDouble);
  const Tensor columns = at::hann_window(width, at::kDouble);
  const Tensor window = rows.unsqueeze(1) * columns.unsqueeze(0);
  return window / window.square().mean().sqrt();
}

// int64 [H · W]: the ring of each frequency of a DFT.
Tensor rings_of(int64_t height, int64_t width) {
  const Tensor y = at::fft_fftfreq(height, 1.0, at::kDouble).unsqueeze(1);
  const Tensor x = at::fft_fftfreq(width, 1.0, at::kDouble).unsqueeze(0);
  const auto side = static_cast<double>(std::min(height, width));
  return ((y.square() + x.square()).sqrt() * side).round().to(at::kLong).flatten();
}

}  // namespace

Tensor power_spectrum(const Tensor& images) {
  check_pixels(images);
  const int64_t height = images.size(2), width = images.size(3);
  const Tensor window = window_of(height, width);
  const Tensor rings = rings_of(height, width);
  const int64_t count = std::min(height, width) / 2 + 1;
  const Tensor sizes = at::bincount(rings).narrow(0, 0, count);
  Tensor spectra = at::empty({images.size(0), count}, at::kDouble);
  for (int64_t i = 0; i < images.size(0); ++i) {
    cancellation_point();
    const Tensor pixels = images[i].to(at::kCPU, at::kDouble);
    const Tensor centred = pixels - pixels.mean({1, 2}, /*keepdim=*/true);
    const Tensor power = at::fft_fft2(centred * window).abs().square().mean(0);
    const Tensor sums = at::bincount(rings, power.flatten());
    spectra[i] = sums.narrow(0, 0, count) / sizes / static_cast<double>(height * width);
  }
  return spectra;
}

}  // namespace latentray
