#include "metrics/image_similarity.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/cancellation.h"
#include "tests/check.h"

namespace latentray::test::image_similarity_test {

// Every figure on its own, relative: a list's norm would let one hide behind the others.
void expect_figures(const at::Tensor& actual, const std::vector<double>& expected, double tolerance,
                    const std::string& what) {
  expect(actual.scalar_type() == at::kDouble && actual.numel() == (int64_t)expected.size(), what);
  for (size_t i = 0; i < expected.size(); ++i) {
    const double found = actual[i].item<double>();
    expect(std::abs(found - expected[i]) <= tolerance * std::abs(expected[i]),
           c10::str(what, "[", i, "]: expected ", expected[i], ", found ", found));
  }
}

std::vector<double> figures(const StateDict& golden, const std::string& name) {
  return nlohmann::json::parse(golden.metadata.at(name)).get<std::vector<double>>();
}

// A pair that is easily written down: what follows was computed with NumPy in float64.
at::Tensor wave(int64_t channels, int64_t height, int64_t width, double frequency) {
  const auto y = at::arange(height, at::kDouble).view({-1, 1});
  const auto x = at::arange(width, at::kDouble).view({1, -1});
  const auto c = at::arange(channels, at::kDouble).view({-1, 1, 1});
  return (0.5 + 0.4 * at::sin(frequency * x + 0.05 * y + c) * at::cos(0.03 * y)).unsqueeze(0);
}

TEST("image similarity: RMSE, PSNR, SSIM and MS-SSIM equal the reference") {
  const StateDict pair = read_safetensors(golden("metrics/images.safetensors"));
  const at::Tensor& x = pair.tensors.at("x");
  const at::Tensor& y = pair.tensors.at("y");
  expect_figures(rmse(x, y), figures(pair, "rmse"), 1e-6, "rmse");
  expect_figures(psnr(x, y), figures(pair, "psnr"), 1e-6, "psnr");
  expect_figures(ssim(x, y), figures(pair, "ssim_skimage_gaussian"), 1e-6, "ssim, cropped");
  expect_figures(ssim(x, y, 1, SsimBorder::kReflected), figures(pair, "ssim_gaussian_11_1p5"), 1e-6,
                 "ssim, reflected");
  expect_figures(ms_ssim(x, y), figures(pair, "ms_ssim"), 1e-6, "ms_ssim");
  // In float64 the figures are exact, and 4e-6 and 2e-6 away from those of float32.
  const auto exact = [](const at::Tensor& t) { return t.to(at::kDouble); };
  expect_figures(ssim(exact(x), exact(y), 1, SsimBorder::kReflected),
                 {0.6489571289952257, 0.6507937165408695}, 1e-12, "ssim, reflected, float64");
  expect_figures(ms_ssim(exact(x), exact(y), 1, SsimBorder::kCropped),
                 {0.9299465611098595, 0.9304149026962402}, 1e-12, "ms_ssim, cropped, float64");
}

TEST("image similarity: channels, odd sizes and the data range") {
  const at::Tensor a = wave(3, 180, 165, 0.1);
  const at::Tensor b = wave(3, 180, 165, 0.11);
  expect_figures(rmse(a, b), {0.16929949369785252}, 1e-12, "rmse");
  expect_figures(psnr(a, b, 2), {21.44748672683129}, 1e-12, "psnr");
  expect_figures(ssim(a, b), {0.6778018876642824}, 1e-12, "ssim");
  expect_figures(ssim(a, b, 2), {0.8062499416093221}, 1e-12, "ssim of range 2");
  expect_figures(ssim(a, b, 2, SsimBorder::kReflected), {0.8022504568145618}, 1e-12, "reflected");
  expect_figures(ms_ssim(a, b, 2, SsimBorder::kCropped), {0.7121721012010489}, 1e-12, "ms_ssim");
}

TEST("image similarity: equal images, and one bad image leaves the others alone") {
  const at::Tensor a = wave(1, 176, 176, 0.1).to(at::kFloat);
  const at::Tensor pair = at::cat({a, a});
  const at::Tensor other = at::cat({a, 1 - a});
  expect_figures(rmse(pair, pair), {0, 0}, 0, "rmse");
  expect_figures(ssim(pair, pair), {1, 1}, 1e-12, "ssim");
  expect_figures(ms_ssim(pair, pair), {1, 1}, 1e-6, "ms_ssim");
  expect(std::isinf(psnr(pair, pair)[0].item<double>()), "psnr of equal images is infinite");
  expect_figures(ssim(pair, other)[0].unsqueeze(0), {1}, 1e-12, "the first of two");
  expect(ssim(pair, other)[1].item<double>() < 0, "a negative is unlike");
  expect_figures(ms_ssim(pair, other)[1].unsqueeze(0), {0}, 0, "negative contrasts count as 0");
}

TEST("image similarity: half precision is compared in float32") {
  const at::Tensor a = wave(1, 176, 176, 0.1);
  const at::Tensor b = wave(1, 176, 176, 0.11);
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor x = a.to(dtype);
    const at::Tensor y = b.to(dtype);
    expect(at::equal(ms_ssim(x, y), ms_ssim(x.to(at::kFloat), y.to(at::kFloat))), "ms_ssim");
    expect(at::equal(ssim(x, y), ssim(x.to(at::kDouble), y.to(at::kDouble))), "ssim");
  }
}

TEST("image similarity: misuse is named") {
  const at::Tensor image = at::rand({1, 1, 16, 16});
  const auto expect_all = [](const std::string& code, const at::Tensor& a, const at::Tensor& b) {
    expect_error(code, [&] { rmse(a, b); });
    expect_error(code, [&] { psnr(a, b); });
    expect_error(code, [&] { ssim(a, b); });
    expect_error(code, [&] { ms_ssim(a, b); });
  };
  expect_all("ERR_SHAPE", image, at::rand({1, 1, 16, 15}));
  expect_all("ERR_SHAPE", image[0], image[0]);
  expect_all("ERR_SHAPE", image.narrow(0, 0, 0), image.narrow(0, 0, 0));
  expect_all("ERR_DTYPE", image.to(at::kByte), image.to(at::kByte));
  for (const double value : {NAN, INFINITY}) {
    const at::Tensor broken = image.clone();
    broken[0][0][3][3] = value;
    expect_all("ERR_NON_FINITE", image, broken);
    expect_all("ERR_NON_FINITE", broken, image);
  }
  for (const double range : {0.0, -1.0, double{NAN}, double{INFINITY}}) {
    expect_error("ERR_INVALID_ARG", [&] { psnr(image, image, range); });
    expect_error("ERR_INVALID_ARG", [&] { ssim(image, image, range); });
    expect_error("ERR_INVALID_ARG", [&] { ms_ssim(image, image, range); });
  }
}

TEST("image similarity: images that do not hold the window are refused") {
  const auto check = [](int64_t height, int64_t width, SsimBorder border, bool fits) {
    const at::Tensor image = at::rand({1, 1, height, width});
    if (fits) {
      expect(ms_ssim(image, image, 1, border)[0].item<double>() > 0.999, "fits");
    } else {
      expect_error("ERR_SHAPE", [&] { ms_ssim(image, image, 1, border); });
    }
  };
  check(161, 170, SsimBorder::kCropped, true);
  check(170, 160, SsimBorder::kCropped, false);
  check(176, 180, SsimBorder::kReflected, true);
  check(175, 180, SsimBorder::kReflected, false);
  const at::Tensor small = at::rand({1, 1, 11, 10});
  expect_error("ERR_SHAPE", [&] { ssim(small, small); });
  expect_error("ERR_SHAPE", [&] { ssim(small, small, 1, SsimBorder::kReflected); });
  const at::Tensor least = at::rand({1, 1, 11, 11});
  expect_figures(ssim(least, least), {1}, 1e-9, "one window");
}

TEST("image similarity: a fired token stops it between images") {
  const at::Tensor images = at::rand({2, 1, 16, 16});
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  bool stopped = false;
  try {
    ssim(images, images);
  } catch (const Cancelled&) {
    stopped = true;
  }
  expect(stopped, "stopped");
}

}  // namespace latentray::test::image_similarity_test
