#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "tests/check.h"
#include "training/ema.h"
#include "training/loss_scaler.h"
#include "training/optimizer.h"
#include "training/patch_discriminator.h"
#include "training/perceptual_loss.h"
#include "training/sample_random.h"

namespace latentray::test::training_parts_test {

at::Tensor parameter(std::vector<float> values, std::vector<float> gradient) {
  auto tensor = at::tensor(values).requires_grad_(true);
  tensor.mutable_grad() = at::tensor(gradient);
  return tensor;
}

TEST("optimizer: SGD keeps momentum, and parameters without a gradient stay") {
  auto weight = parameter({1, 2}, {0.5, -1});
  auto idle = at::ones({2}).requires_grad_(true);
  const NamedParameters named{{"weight", weight}, {"idle", idle}};
  const auto sgd = make_optimizer({.name = "sgd", .weight_decay = 0, .momentum = 0.9}, named);
  const auto version = weight._version();
  sgd->step(0.1);
  sgd->step(0.1);
  // The updates are g and 1.9 g.
  expect_close(weight.detach(), at::tensor({1 - 0.145, 2 + 0.29}), 1e-6, "weight");
  expect(idle.detach().equal(at::ones({2})), "idle");
  expect(weight._version() > version, "copies of the weight are known to be old");
  expect_error("ERR_INVALID_ARG", [&] { make_optimizer({.name = "adam"}, named); });
}

TEST("optimizer: AdamW's first step is the learning rate against the gradient's sign") {
  auto weight = parameter({1, 2}, {0.5, -1});
  const NamedParameters named{{"weight", weight}};
  const auto version = weight._version();
  make_optimizer({.weight_decay = 0.1}, named)->step(0.01);
  expect_close(weight.detach(), at::tensor({0.999 - 0.01, 1.998 + 0.01}), 1e-6, "weight");
  expect(weight._version() > version, "copies of the weight are known to be old");
}

TEST("optimizer: its state goes on bit for bit, and another model's is named") {
  auto first = parameter({1, 2, 3}, {0.5, -1, 0.1});
  auto second = first.detach().clone().requires_grad_(true);
  second.mutable_grad() = first.grad().clone();
  const auto one = make_optimizer({}, {{"w", first}});
  const auto other = make_optimizer({}, {{"w", second}});
  one->step(0.1);
  StateDict state;
  one->save(state, "o.");
  second.detach().copy_(first.detach());
  other->load(state, "o.");
  one->step(0.1);
  other->step(0.1);
  expect(first.detach().equal(second.detach()), "equal");
  auto larger = parameter({1, 2, 3, 4}, {1, 1, 1, 1});
  expect_error("ERR_WEIGHTS_SHAPE", [&] {
    make_optimizer({}, {{"w", larger}})->load(state, "o.");
  });
}

TEST("gradients: the norm is of all together, and clipping keeps their direction") {
  auto a = parameter({0}, {3});
  auto b = parameter({0}, {4});
  const NamedParameters named{{"a", a}, {"b", b}};
  expect(std::abs(clip_gradients(named, std::nullopt) - 5) < 1e-6, "norm");
  expect(std::abs(clip_gradients(named, 1.0) - 5) < 1e-6, "norm before clipping");
  expect_close(at::cat({a.grad(), b.grad()}), at::tensor({0.6, 0.8}), 1e-5, "clipped");
  forget_gradients(named);
  expect(clip_gradients(named, 1.0) == 0, "none");
}

TEST("ema: the average warms up, and is exchanged for the weights and back") {
  auto weight = parameter({1}, {0});
  Ema ema({.decay = 0.999}, {{"w", weight}});
  double expected = 1;
  for (int n = 0; n < 4; ++n) {
    const at::NoGradGuard no_grad;
    weight.fill_(10.0 * n);
    ema.update();
    const double decay = n == 0 ? 0 : (1.0 + n) / (10 + n);
    expected = decay * expected + (1 - decay) * 10 * n;
  }
  ema.swap();
  expect(std::abs(weight.item<double>() - expected) < 1e-5, "average");
  ema.swap();
  expect(weight.item<double>() == 30, "weights");
}

TEST("loss scaler: an overflow halves the scale and is seen; gradients are divided") {
  LossScaler scaler(at::kCPU);
  auto weight = parameter({1}, {65536});
  const NamedParameters named{{"w", weight}};
  expect(scaler.unscale(named), "finite");
  expect(weight.grad().item<float>() == 1, "divided");
  scaler.update(true);
  expect(scaler.scale() == 65536, "kept");
  weight.mutable_grad().fill_(INFINITY);
  expect(!scaler.unscale(named) && !gradients_are_finite(named), "seen");
  scaler.update(false);
  expect(scaler.scale() == 32768, "halved");
}

TEST("sample random: a sample's noise depends on nothing beside it") {
  const auto draw = [](uint64_t step, const std::vector<uint64_t>& samples) {
    return randn_of_samples(5, RandomPurpose::kLatentNoise, step, samples, {4, 8, 8});
  };
  const auto all = draw(3, {10, 11, 12});
  expect(draw(3, {11})[0].equal(all[1]), "alone or in a batch");
  expect(!all[0].equal(all[1]) && !draw(4, {10})[0].equal(all[0]), "others differ");
  const auto many = randn_of_samples(1, RandomPurpose::kLatentNoise, 0, {0, 1, 2, 3}, {4, 64, 64});
  expect(std::abs(many.mean().item<double>()) < 0.01, "mean");
  expect(std::abs(many.std().item<double>() - 1) < 0.01, "deviation");
}

StateDict small_vgg() {
  StateDict state;
  int64_t channels = 3;
  for (const int index : {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28}) {
    const auto name = c10::str("features.", index);
    state.tensors[name + ".weight"] = at::randn({4, channels, 3, 3}) / 3;
    state.tensors[name + ".bias"] = at::zeros({4});
    channels = 4;
  }
  return state;
}

StateDict linear_weights() {
  StateDict state;
  for (int level = 0; level < 5; ++level) {
    state.tensors[c10::str("lin", level, ".model.1.weight")] = at::rand({1, 4, 1, 1});
  }
  return state;
}

TEST("perceptual loss: nothing between equal images, gradients on flat ones are finite") {
  const PerceptualLoss loss(small_vgg(), linear_weights(), at::kCPU);
  const auto image = at::rand({2, 1, 32, 48}) * 2 - 1;
  expect(loss.forward(image, image).equal(at::zeros({2})), "equal");
  const auto other = at::rand({2, 1, 32, 48});
  expect_close(loss.forward(image, other),
               loss.forward(image.expand({2, 3, 32, 48}), other.expand({2, 3, 32, 48})), 1e-5,
               "grey stands for three channels");
  const at::AutoGradMode with_grad(true);
  // Such pixels have no features at all.
  auto flat = at::tensor({-0.030, -0.088, -0.188}, at::kFloat).view({1, 3, 1, 1});
  auto made = flat.expand({1, 3, 32, 32}).contiguous().requires_grad_(true);
  loss.forward(made, at::rand({1, 3, 32, 32})).sum().backward();
  expect(made.grad().isfinite().all().item<bool>(), "finite");
}

TEST("discriminator: one number a patch, and the same weights for the same seed") {
  PatchDiscriminator one(PatchDiscriminatorOptions{.in_channels = 1, .channels = 8}, 4);
  PatchDiscriminator same(PatchDiscriminatorOptions{.in_channels = 1, .channels = 8}, 4);
  const auto image = at::rand({2, 1, 64, 64});
  expect(one(image).sizes() == at::IntArrayRef({2, 1, 6, 6}), "patches");
  expect(one(image).equal(same(image)), "same");
  expect_error("ERR_SHAPE", [&] { one(at::rand({2, 1, 16, 64})); });
  expect_error("ERR_SHAPE", [&] { one(at::rand({2, 3, 64, 64})); });
  const auto loss = discriminator_hinge_loss(at::tensor({2.0, 0.0}), at::tensor({-3.0, 0.5}));
  expect(std::abs(loss.item<double>() - 0.5 * (0.5 + 0.75)) < 1e-9, "hinge");
}

}  // namespace latentray::test::training_parts_test
