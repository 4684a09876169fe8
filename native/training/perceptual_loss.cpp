#include "training/perceptual_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

// The convolutions of torchvision's vgg16.features before each of the layers that are compared:
// relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3. A max-pooling lies between two levels.
const std::array<std::vector<int>, 5> kConvolutions = {
    {{0, 2}, {5, 7}, {10, 12, 14}, {17, 19, 21}, {24, 26, 28}}};
constexpr int64_t kSmallestSide = 16;  // four poolings

Tensor weight_of(const StateDict& state, const std::string& key, at::Device device) {
  const auto found = state.tensors.find(key);
  if (found == state.tensors.end()) {
    throw Error("ERR_WEIGHTS_MISSING_KEY",
                c10::str(state.origin, ": '", key,
                         "' is missing; the perceptual loss takes "
                         "torchvision's vgg16 and lpips' vgg.pth"),
                {{"key", key}, {"path", state.origin}});
  }
  return found->second.to(device, at::kFloat).detach();
}

void check_shape(const StateDict& state, const std::string& key, const Tensor& weight,
                 at::IntArrayRef expected) {
  if (weight.sizes() == expected) return;
  throw Error(
      "ERR_WEIGHTS_SHAPE",
      c10::str(state.origin, ": '", key, "': expected ", expected, ", found ", weight.sizes()),
      {{"key", key},
       {"expectedShape", c10::str(expected)},
       {"actualShape", c10::str(weight.sizes())}});
}

// Each pixel's channels as a vector of length 1. A vector of zeros stays, and so does its gradient:
// the square root alone would make it NaN.
Tensor unit_length(const Tensor& x) {
  const auto length = x.square().sum(1, /*keepdim=*/true).clamp_min(1e-20).sqrt();
  return x / (length + 1e-10);
}

}  // namespace

PerceptualLoss::PerceptualLoss(const StateDict& features, const StateDict& linear,
                               at::Device device) {
  int64_t channels = 3;
  for (size_t level = 0; level < kLevels; ++level) {
    for (const int index : kConvolutions[level]) {
      const auto name = c10::str("features.", index);
      auto weight = weight_of(features, name + ".weight", device);
      const int64_t out = weight.dim() == 4 ? weight.size(0) : 0;
      check_shape(features, name + ".weight", weight, {out, channels, 3, 3});
      auto bias = weight_of(features, name + ".bias", device);
      check_shape(features, name + ".bias", bias, {out});
      levels_[level].push_back({std::move(weight), std::move(bias)});
      channels = out;
    }
    const auto name = c10::str("lin", level, ".model.1.weight");
    weights_[level] = weight_of(linear, name, device);
    check_shape(linear, name, weights_[level], {1, channels, 1, 1});
  }
  // ImageNet's mean and standard deviation, for pixels in [-1, 1].
  const auto constant = [&](double r, double g, double b) {
    return at::tensor({r, g, b}, at::kFloat).view({1, 3, 1, 1}).to(device);
  };
  shift_ = constant(-0.030, -0.088, -0.188);
  scale_ = constant(0.458, 0.448, 0.450);
}

std::array<Tensor, PerceptualLoss::kLevels> PerceptualLoss::features_of(const Tensor& image) const {
  std::array<Tensor, kLevels> features;
  auto x = (image - shift_) / scale_;  // [N, 3, H, W]
  for (size_t level = 0; level < kLevels; ++level) {
    if (level > 0) x = at::max_pool2d(x, 2, 2);  // [N, C, H / 2, W / 2]
    for (const auto& [weight, bias] : levels_[level]) {
      x = at::relu(at::conv2d(x, weight, bias, 1, 1));
    }
    features[level] = unit_length(x);
  }
  return features;
}

Tensor PerceptualLoss::forward(const Tensor& image, const Tensor& reference) const {
  const bool fits = image.dim() == 4 && (image.size(1) == 3 || image.size(1) == 1) &&
                    image.size(2) >= kSmallestSide && image.size(3) >= kSmallestSide &&
                    image.sizes() == reference.sizes();
  LATENTRAY_CHECK(fits, "ERR_SHAPE",
                  "perceptual loss: expected two [N, 3 or 1, H ≥ 16, W ≥ 16] of one size, found ",
                  image.sizes(), " and ", reference.sizes());
  const auto compared = features_of(image.to(at::kFloat));
  std::array<Tensor, kLevels> expected;
  {
    const at::NoGradGuard no_grad;
    expected = features_of(reference.to(at::kFloat));
  }
  auto distance = at::zeros({image.size(0)}, shift_.options());
  for (size_t level = 0; level < kLevels; ++level) {
    const auto difference = (compared[level] - expected[level]).square();      // [N, C, h, w]
    distance = distance + (difference * weights_[level]).sum(1).mean({1, 2});  // [N]
  }
  return distance;
}

}  // namespace latentray
