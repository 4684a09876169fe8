#include "models/inception_blocks.h"

#include <ATen/ATen.h>

#include "core/cancellation.h"
#include "nn/placeholder.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr double kEps = 1e-3;

constexpr ConvShape one(int64_t out) { return {out}; }
constexpr ConvShape three(int64_t out) { return {out, {3, 3}, 1, {1, 1}}; }
constexpr ConvShape five(int64_t out) { return {out, {5, 5}, 1, {2, 2}}; }
constexpr ConvShape halving(int64_t out) { return {out, {3, 3}, 2, {0, 0}}; }
constexpr ConvShape row(int64_t out, int64_t width) { return {out, {1, width}, 1, {0, width / 2}}; }
constexpr ConvShape column(int64_t out, int64_t height) {
  return {out, {height, 1}, 1, {height / 2, 0}};
}

Tensor pooled(const Tensor& x, InceptionPool pool) {
  if (pool == InceptionPool::kMaximum) return at::max_pool2d(x, {3, 3}, {1, 1}, {1, 1});
  const bool border_counts = pool == InceptionPool::kAverage;
  return at::avg_pool2d(x, {3, 3}, {1, 1}, {1, 1}, /*ceil_mode=*/false, border_counts);
}

Tensor halved(const Tensor& x) { return at::max_pool2d(x, {3, 3}, {2, 2}); }

class InceptionA : public InceptionBlock {
 public:
  InceptionA(int64_t in, int64_t pool_features, InceptionPool pool)
      : pool_(pool),
        branch1x1_(add("branch1x1", in, one(64))),
        branch5x5_1_(add("branch5x5_1", in, one(48))),
        branch5x5_2_(add("branch5x5_2", 48, five(64))),
        branch3x3dbl_1_(add("branch3x3dbl_1", in, one(64))),
        branch3x3dbl_2_(add("branch3x3dbl_2", 64, three(96))),
        branch3x3dbl_3_(add("branch3x3dbl_3", 96, three(96))),
        branch_pool_(add("branch_pool", in, one(pool_features))) {}

  Tensor forward(const Tensor& x) override {
    return at::cat(
        {branch1x1_(x), branch5x5_2_(branch5x5_1_(x)),
         branch3x3dbl_3_(branch3x3dbl_2_(branch3x3dbl_1_(x))), branch_pool_(pooled(x, pool_))},
        1);
  }

 private:
  InceptionPool pool_;
  BasicConv2d branch1x1_, branch5x5_1_, branch5x5_2_;
  BasicConv2d branch3x3dbl_1_, branch3x3dbl_2_, branch3x3dbl_3_, branch_pool_;
};

class InceptionB : public InceptionBlock {
 public:
  explicit InceptionB(int64_t in)
      : branch3x3_(add("branch3x3", in, halving(384))),
        branch3x3dbl_1_(add("branch3x3dbl_1", in, one(64))),
        branch3x3dbl_2_(add("branch3x3dbl_2", 64, three(96))),
        branch3x3dbl_3_(add("branch3x3dbl_3", 96, halving(96))) {}

  Tensor forward(const Tensor& x) override {
    return at::cat({branch3x3_(x), branch3x3dbl_3_(branch3x3dbl_2_(branch3x3dbl_1_(x))), halved(x)},
                   1);
  }

 private:
  BasicConv2d branch3x3_, branch3x3dbl_1_, branch3x3dbl_2_, branch3x3dbl_3_;
};

class InceptionC : public InceptionBlock {
 public:
  InceptionC(int64_t in, int64_t c7, InceptionPool pool)
      : pool_(pool),
        branch1x1_(add("branch1x1", in, one(192))),
        branch7x7_1_(add("branch7x7_1", in, one(c7))),
        branch7x7_2_(add("branch7x7_2", c7, row(c7, 7))),
        branch7x7_3_(add("branch7x7_3", c7, column(192, 7))),
        branch7x7dbl_1_(add("branch7x7dbl_1", in, one(c7))),
        branch7x7dbl_2_(add("branch7x7dbl_2", c7, column(c7, 7))),
        branch7x7dbl_3_(add("branch7x7dbl_3", c7, row(c7, 7))),
        branch7x7dbl_4_(add("branch7x7dbl_4", c7, column(c7, 7))),
        branch7x7dbl_5_(add("branch7x7dbl_5", c7, row(192, 7))),
        branch_pool_(add("branch_pool", in, one(192))) {}

  Tensor forward(const Tensor& x) override {
    const Tensor once = branch7x7_3_(branch7x7_2_(branch7x7_1_(x)));
    const Tensor twice =
        branch7x7dbl_5_(branch7x7dbl_4_(branch7x7dbl_3_(branch7x7dbl_2_(branch7x7dbl_1_(x)))));
    return at::cat({branch1x1_(x), once, twice, branch_pool_(pooled(x, pool_))}, 1);
  }

 private:
  InceptionPool pool_;
  BasicConv2d branch1x1_, branch7x7_1_, branch7x7_2_, branch7x7_3_;
  BasicConv2d branch7x7dbl_1_, branch7x7dbl_2_, branch7x7dbl_3_, branch7x7dbl_4_, branch7x7dbl_5_;
  BasicConv2d branch_pool_;
};

class InceptionD : public InceptionBlock {
 public:
  explicit InceptionD(int64_t in)
      : branch3x3_1_(add("branch3x3_1", in, one(192))),
        branch3x3_2_(add("branch3x3_2", 192, halving(320))),
        branch7x7x3_1_(add("branch7x7x3_1", in, one(192))),
        branch7x7x3_2_(add("branch7x7x3_2", 192, row(192, 7))),
        branch7x7x3_3_(add("branch7x7x3_3", 192, column(192, 7))),
        branch7x7x3_4_(add("branch7x7x3_4", 192, halving(192))) {}

  Tensor forward(const Tensor& x) override {
    return at::cat({branch3x3_2_(branch3x3_1_(x)),
                    branch7x7x3_4_(branch7x7x3_3_(branch7x7x3_2_(branch7x7x3_1_(x)))), halved(x)},
                   1);
  }

 private:
  BasicConv2d branch3x3_1_, branch3x3_2_;
  BasicConv2d branch7x7x3_1_, branch7x7x3_2_, branch7x7x3_3_, branch7x7x3_4_;
};

class InceptionE : public InceptionBlock {
 public:
  InceptionE(int64_t in, InceptionPool pool)
      : pool_(pool),
        branch1x1_(add("branch1x1", in, one(320))),
        branch3x3_1_(add("branch3x3_1", in, one(384))),
        branch3x3_2a_(add("branch3x3_2a", 384, row(384, 3))),
        branch3x3_2b_(add("branch3x3_2b", 384, column(384, 3))),
        branch3x3dbl_1_(add("branch3x3dbl_1", in, one(448))),
        branch3x3dbl_2_(add("branch3x3dbl_2", 448, three(384))),
        branch3x3dbl_3a_(add("branch3x3dbl_3a", 384, row(384, 3))),
        branch3x3dbl_3b_(add("branch3x3dbl_3b", 384, column(384, 3))),
        branch_pool_(add("branch_pool", in, one(192))) {}

  Tensor forward(const Tensor& x) override {
    const Tensor once = branch3x3_1_(x);
    const Tensor twice = branch3x3dbl_2_(branch3x3dbl_1_(x));
    return at::cat(
        {branch1x1_(x), branch3x3_2a_(once), branch3x3_2b_(once), branch3x3dbl_3a_(twice),
         branch3x3dbl_3b_(twice), branch_pool_(pooled(x, pool_))},
        1);
  }

 private:
  InceptionPool pool_;
  BasicConv2d branch1x1_, branch3x3_1_, branch3x3_2a_, branch3x3_2b_;
  BasicConv2d branch3x3dbl_1_, branch3x3dbl_2_, branch3x3dbl_3a_, branch3x3dbl_3b_, branch_pool_;
};

}  // namespace

struct BasicConv2dImpl::ConvImpl : torch::nn::Module {
  ConvImpl(int64_t in_channels, const ConvShape& shape)
      : weight(register_parameter(
            "weight", nn::placeholder({shape.out, in_channels, shape.kernel[0], shape.kernel[1]}),
            false)),
        shape(shape) {}

  Tensor weight;  // [out, in, height, width]: nn::Conv2d is square
  ConvShape shape;
};

BasicConv2dImpl::BasicConv2dImpl(int64_t in_channels, const ConvShape& shape)
    : conv_(register_module("conv", std::make_shared<ConvImpl>(in_channels, shape))),
      bn_(register_module("bn", nn::BatchNorm2d(shape.out, kEps))) {}

Tensor BasicConv2dImpl::forward(const Tensor& x) {
  cancellation_point();
  const auto& shape = conv_->shape;
  const Tensor y = at::conv2d(x, conv_->weight, {}, {shape.stride, shape.stride}, shape.padding);
  return at::relu(bn_(y));
}

InceptionBlockPtr inception_a(int64_t in_channels, int64_t pool_features, InceptionPool pool) {
  return std::make_shared<InceptionA>(in_channels, pool_features, pool);
}
InceptionBlockPtr inception_b(int64_t in_channels) {
  return std::make_shared<InceptionB>(in_channels);
}
InceptionBlockPtr inception_c(int64_t in_channels, int64_t channels_7x7, InceptionPool pool) {
  return std::make_shared<InceptionC>(in_channels, channels_7x7, pool);
}
InceptionBlockPtr inception_d(int64_t in_channels) {
  return std::make_shared<InceptionD>(in_channels);
}
InceptionBlockPtr inception_e(int64_t in_channels, InceptionPool pool) {
  return std::make_shared<InceptionE>(in_channels, pool);
}

}  // namespace latentray
