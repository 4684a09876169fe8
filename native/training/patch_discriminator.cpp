#include "training/patch_discriminator.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr int64_t kKernel = 4;
constexpr int64_t kMostTimes = 8;

int64_t times_at(int64_t layer) { return std::min(int64_t{1} << layer, kMostTimes); }

}  // namespace

BatchNorm2dImpl::BatchNorm2dImpl(int64_t channels)
    : weight(register_parameter("weight", at::empty({channels}))),
      bias(register_parameter("bias", at::empty({channels}))) {}

Tensor BatchNorm2dImpl::forward(const Tensor& x) {
  return at::batch_norm(x, weight, bias, {}, {}, /*training=*/true, /*momentum=*/0, /*eps=*/1e-5,
                        /*cudnn_enabled=*/true);
}

PatchDiscriminatorImpl::PatchDiscriminatorImpl(const PatchDiscriminatorOptions& options,
                                               uint64_t seed)
    : options_(options),
      main_(register_module("main", std::make_shared<torch::nn::Module>("main"))) {
  const int64_t n = options.layers;
  add_layer(options.in_channels, options.channels, 2, false);
  for (int64_t i = 1; i <= n; ++i) {
    add_layer(options.channels * times_at(i - 1), options.channels * times_at(i), i < n ? 2 : 1,
              true);
  }
  add_layer(options.channels * times_at(n), 1, 1, false);
  draw_weights(seed);
  for (auto& parameter : parameters()) parameter.requires_grad_(true);
}

void PatchDiscriminatorImpl::add_layer(int64_t in, int64_t out, int64_t stride, bool with_norm) {
  Layer layer;
  layer.convolution = main_->register_module(
      std::to_string(index_++), nn::Conv2d(in, out, kKernel, stride, 1, /*bias=*/!with_norm));
  if (with_norm) layer.norm = main_->register_module(std::to_string(index_++), BatchNorm2d(out));
  ++index_;  // the activation
  layers_.push_back(std::move(layer));
}

void PatchDiscriminatorImpl::draw_weights(uint64_t seed) {
  for (auto& parameter : parameters()) parameter.set_data(at::empty(parameter.sizes()));
  const at::NoGradGuard no_grad;
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& [convolution, norm] : layers_) {
    convolution->weight.normal_(0, 0.02, generator);
    if (convolution->bias.defined()) {
      const double bound = 1 / std::sqrt(convolution->weight[0].numel());
      convolution->bias.uniform_(-bound, bound, generator);
    }
    if (!norm) continue;
    norm->weight.normal_(1, 0.02, generator);
    norm->bias.zero_();
  }
}

Tensor PatchDiscriminatorImpl::forward(const Tensor& image) {
  const int64_t smallest = int64_t{1} << (options_.layers + 2);
  const bool fits = image.dim() == 4 && image.size(1) == options_.in_channels &&
                    image.size(2) >= smallest && image.size(3) >= smallest;
  LATENTRAY_CHECK(fits, "ERR_SHAPE", "discriminator: expected [N, ", options_.in_channels, ", H ≥ ",
                  smallest, ", W ≥ ", smallest, "], found ", image.sizes());
  auto x = image;
  for (auto& [convolution, norm] : layers_) {
    x = convolution(x);  // [N, C, about H / stride, about W / stride]
    if (norm) x = norm(x);
    if (&convolution != &layers_.back().convolution) x = at::leaky_relu(x, 0.2);
  }
  return x;
}

Tensor discriminator_hinge_loss(const Tensor& real, const Tensor& made) {
  return 0.5 * (at::relu(1 - real).mean() + at::relu(1 + made).mean());
}

}  // namespace latentray
