#include "nn/onednn.h"

#include "nn/layers.h"
#include "tests/check.h"

namespace latentray::test::onednn_test {

constexpr double kTolerance = 1e-6;

nn::Conv2d random_conv() {
  nn::Conv2d conv(8, 16, 3, 2, 1);
  conv->weight.set_data(at::randn({16, 8, 3, 3}));
  conv->bias.set_data(at::randn({16}));
  return conv;
}

void expect_plain_result(nn::Conv2d& conv, const at::Tensor& x, const std::string& what) {
  expect_close(conv(x), at::conv2d(x, conv->weight, conv->bias, {2, 2}, {1, 1}), kTolerance, what);
}

TEST("onednn: a packed weight follows the parameter") {
  auto conv = random_conv();
  const auto x = at::randn({2, 8, 9, 7});
  expect_plain_result(conv, x, "first call");
  conv->weight.mul_(-2);
  expect_plain_result(conv, x, "after a change in place");
  conv->weight.detach().add_(1);
  expect_plain_result(conv, x, "after a change through detach()");
  for (int i = 0; i < 4; ++i) {  // the allocator hands the freed memory out again
    conv->weight.set_data(at::randn({16, 8, 3, 3}));
    expect_plain_result(conv, x, "after set_data");
  }
}

TEST("onednn: the linear layer equals at::linear, with and without a bias") {
  for (const bool with_bias : {true, false}) {
    nn::Linear linear(256, 512, with_bias);
    linear->weight.set_data(at::randn({512, 256}));
    if (with_bias) linear->bias.set_data(at::randn({512}));
    const auto x = at::randn({2, 40, 256});
    expect(nn::onednn_serves(x, linear->weight, linear->bias), "oneDNN serves this");
    expect_close(linear(x), at::linear(x, linear->weight, linear->bias), kTolerance, "output");
    const auto strided = at::randn({2, 256, 40}).transpose(1, 2);
    expect_close(linear(strided), at::linear(strided, linear->weight, linear->bias), kTolerance,
                 "a strided input");
  }
}

TEST("onednn: steps aside where a gradient is recorded") {
  const at::AutoGradMode with_grad(true);
  auto conv = random_conv();
  const auto x = at::randn({1, 8, 6, 6});
  expect(nn::onednn_serves(x, conv->weight, conv->bias), "nothing requires a gradient");
  expect(!nn::onednn_serves(x.detach().requires_grad_(), conv->weight, conv->bias),
         "the input does");
  conv->weight.set_requires_grad(true);
  expect(!nn::onednn_serves(x, conv->weight, conv->bias), "the weight does");
  conv(x).sum().backward();
  expect(conv->weight.grad().defined(), "the gradient");
}

TEST("onednn: a packed weight is counted while its module lives") {
  auto conv = random_conv();
  expect(nn::packed_bytes(*conv) == 0, "before the first call");
  const uint64_t packings = nn::packings();
  conv(at::randn({1, 8, 6, 6}));
  expect(nn::packed_bytes(*conv) == int64_t{16 * 8 * 3 * 3 * 4}, "after it");
  conv(at::randn({1, 8, 6, 6}));
  expect(nn::packings() == packings + 1, "once");
}

TEST("onednn: leaves other dtypes and empty batches to LibTorch") {
  auto conv = random_conv();
  expect(!nn::onednn_serves(at::zeros({1, 8, 6, 6}, at::kDouble), conv->weight, conv->bias),
         "mixed dtypes");
  expect(conv(at::zeros({0, 8, 6, 6})).sizes() == at::IntArrayRef({0, 16, 3, 3}), "no rows");
}

}  // namespace latentray::test::onednn_test
