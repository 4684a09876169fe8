#include "metrics/power_spectrum.h"

#include <cmath>
#include <numbers>

#include "tests/check.h"

namespace latentray::test::power_spectrum_test {

// cos(2π · waves · x / W), the same in each row: [1, 1, H, W].
at::Tensor cosine(int64_t height, int64_t width, int64_t waves) {
  const at::Tensor x = at::arange(width, at::kDouble) / width;
  return (2 * std::numbers::pi * waves * x).cos().expand({1, 1, height, width});
}

// How many frequencies of a square's DFT round to each ring.
at::Tensor ring_sizes(int64_t side) {
  at::Tensor sizes = at::zeros({side / 2 + 1}, at::kDouble);
  for (int64_t y = -side / 2; y < side / 2; ++y) {
    for (int64_t x = -side / 2; x < side / 2; ++x) {
      const auto ring = std::lround(std::sqrt(static_cast<double>(x * x + y * y)));
      if (ring <= side / 2) sizes[ring] += 1;
    }
  }
  return sizes;
}

// The Hann window spreads a line over its neighbours, 1 : 1/4 in power along each axis. Of mean
// square 1 it leaves H · W / 9 at the two lines themselves.
TEST("power spectrum: a cosine lies in the ring of its frequency, as the window spreads it") {
  constexpr int64_t kSide = 32;
  constexpr double kPixels = kSide * kSide;
  for (const int64_t waves : {4, 9}) {
    at::Tensor expected = at::zeros({1, kSide / 2 + 1}, at::kDouble);
    expected[0][waves - 1] = kPixels / 12;
    expected[0][waves] = kPixels / 3;
    expected[0][waves + 1] = kPixels / 12;
    expected /= ring_sizes(kSide);
    const at::Tensor image = cosine(kSide, kSide, waves);
    expect_close(power_spectrum(image), expected, 1e-10, c10::str(waves, " waves"));
    expect_close(power_spectrum(image.transpose(2, 3)), expected, 1e-10, "the other way up");
    expect_close(power_spectrum(image * 3 + 40), expected * 9, 1e-10, "contrast and brightness");
  }
}

TEST("power spectrum: frequencies are cycles a pixel, whatever the longer side") {
  const at::Tensor spectrum = power_spectrum(cosine(32, 64, 16));
  expect(spectrum.sizes() == at::IntArrayRef({1, 17}), "rings of the shorter side");
  expect(spectrum.argmax().item<int64_t>() == 8, "a quarter cycle a pixel");
}

TEST("power spectrum: white noise has its variance in every ring") {
  const auto generator = at::detail::createCPUGenerator(4);
  const at::Tensor noise = at::randn({64, 1, 48, 48}, generator, at::kDouble) * 2;
  const at::Tensor mean = power_spectrum(noise).mean(0);
  // The outer rings hold hundreds of frequencies in each of 64 images.
  const at::Tensor outer = mean.narrow(0, 4, 20) / 4;
  expect((outer - 1).abs().max().item<double>() < 0.1, c10::str("variance 4, found ", outer * 4));
}

TEST("power spectrum: images stand alone, channels are averaged, nothing is nothing") {
  const at::Tensor wave = cosine(16, 16, 3);
  const at::Tensor flat = at::full_like(wave, 0.7);
  const at::Tensor alone = power_spectrum(wave);
  const at::Tensor both = power_spectrum(at::cat({wave, flat}));
  expect_close(both.narrow(0, 0, 1), alone, 1e-12, "the first image");
  expect(both[1].abs().max().item<double>() < 1e-25, "an even image");
  expect_close(power_spectrum(at::cat({wave, flat}, 1)), alone / 2, 1e-12, "two channels");
  expect_close(power_spectrum(wave.to(at::kFloat)), alone, 1e-6, "float32");
}

TEST("power spectrum: misuse is named") {
  expect_error("ERR_SHAPE", [] { power_spectrum(at::zeros({8, 8})); });
  expect_error("ERR_SHAPE", [] { power_spectrum(at::zeros({0, 1, 8, 8})); });
  expect_error("ERR_SHAPE", [] { power_spectrum(at::zeros({1, 1, 3, 8})); });
  expect_error("ERR_DTYPE", [] { power_spectrum(at::zeros({1, 1, 8, 8}, at::kByte)); });
  expect_error("ERR_NON_FINITE", [] { power_spectrum(at::full({1, 1, 8, 8}, INFINITY)); });
}

}  // namespace latentray::test::power_spectrum_test
