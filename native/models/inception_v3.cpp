#include "models/inception_v3.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "models/inception_blocks.h"
#include "nn/layers.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr int64_t kInceptionSide = 299;
constexpr int64_t kClassesOfFid = 1008;

// One dimension of TensorFlow 1's bilinear resize.
Tensor stretched(const Tensor& x, int64_t dim) {
  const int64_t length = x.size(dim);
  const Tensor place =
      at::arange(kInceptionSide, x.options()) * (static_cast<double>(length) / kInceptionSide);
  const Tensor before = place.to(at::kLong).clamp_max(length - 1);
  const Tensor after = (before + 1).clamp_max(length - 1);
  std::vector<int64_t> shape(x.dim(), 1);
  shape[dim] = kInceptionSide;
  const Tensor weight = (place - before).view(shape);
  return at::lerp(x.index_select(dim, before), x.index_select(dim, after), weight);
}

// pixels [N, 3, H, W], 0 … 255 → [N, 3, 299, 299]
Tensor resized(const Tensor& pixels, InceptionResize resize) {
  switch (resize) {
    case InceptionResize::kCleanFid:
      return at::_upsample_bicubic2d_aa(pixels, {kInceptionSide, kInceptionSide}, false)
          .clamp(0, 255);
    case InceptionResize::kPytorchFid:
      return at::upsample_bilinear2d(pixels, {kInceptionSide, kInceptionSide}, false);
    case InceptionResize::kTensorflow:
      return stretched(stretched(pixels, 3), 2);
  }
  return pixels;
}

Tensor averages(const Tensor& x) { return x.mean({2, 3}); }  // [N, C]

class InceptionV3 : public FeatureNetwork {
 public:
  InceptionV3(int64_t classes, InceptionResize resize)
      : is_of_fid_(classes == kClassesOfFid),
        resize_(resize),
        conv2d_1a_3x3_(conv("Conv2d_1a_3x3", 3, {32, {3, 3}, 2})),
        conv2d_2a_3x3_(conv("Conv2d_2a_3x3", 32, {32, {3, 3}})),
        conv2d_2b_3x3_(conv("Conv2d_2b_3x3", 32, {64, {3, 3}, 1, {1, 1}})),
        conv2d_3b_1x1_(conv("Conv2d_3b_1x1", 64, {80})),
        conv2d_4a_3x3_(conv("Conv2d_4a_3x3", 80, {192, {3, 3}})),
        fc_(register_module("fc", nn::Linear(2048, classes))) {
    const auto average = is_of_fid_ ? InceptionPool::kInnerAverage : InceptionPool::kAverage;
    const auto last = is_of_fid_ ? InceptionPool::kMaximum : InceptionPool::kAverage;
    to_768_ = {
        block("Mixed_5b", inception_a(192, 32, average)),
        block("Mixed_5c", inception_a(256, 64, average)),
        block("Mixed_5d", inception_a(288, 64, average)),
        block("Mixed_6a", inception_b(288)),
        block("Mixed_6b", inception_c(768, 128, average)),
        block("Mixed_6c", inception_c(768, 160, average)),
        block("Mixed_6d", inception_c(768, 160, average)),
        block("Mixed_6e", inception_c(768, 192, average)),
    };
    to_2048_ = {
        block("Mixed_7a", inception_d(768)),
        block("Mixed_7b", inception_e(1280, average)),
        block("Mixed_7c", inception_e(2048, last)),
    };
  }

  Tensor prepare(const Tensor& pixels) const override {
    check_pixels(pixels);
    // In float32: bfloat16 has too few digits for bytes, and no antialiased resize.
    const Tensor rgb = pixels.to(fc_->weight.device(), at::kFloat).expand({-1, 3, -1, -1});
    const Tensor x = resized(rgb * 255, resize_);
    const bool is_of_tensorflow = is_of_fid_ && resize_ != InceptionResize::kPytorchFid;
    const Tensor prepared = is_of_tensorflow ? (x - 128) / 128 : x / 127.5 - 1;
    return prepared.to(fc_->weight.scalar_type());
  }

  std::map<std::string, Tensor> forward(const Tensor& prepared) override {
    std::map<std::string, Tensor> found;
    Tensor x = conv2d_2b_3x3_(conv2d_2a_3x3_(conv2d_1a_3x3_(prepared)));  // [N, 64, 147, 147]
    x = at::max_pool2d(x, {3, 3}, {2, 2});                                // [N, 64, 73, 73]
    found["64"] = averages(x);
    x = conv2d_4a_3x3_(conv2d_3b_1x1_(x));  // [N, 192, 71, 71]
    x = at::max_pool2d(x, {3, 3}, {2, 2});  // [N, 192, 35, 35]
    found["192"] = averages(x);
    for (const auto& each : to_768_) x = each->forward(x);  // [N, 768, 17, 17]
    found["768"] = averages(x);
    for (const auto& each : to_2048_) x = each->forward(x);  // [N, 2048, 8, 8]
    found["2048"] = averages(x);
    found["logits"] = is_of_fid_ ? at::linear(found["2048"], fc_->weight) : fc_(found["2048"]);
    return found;
  }

  Tensor probabilities(const Tensor& logits) const override { return at::softmax(logits, 1); }

  int64_t classes() const override { return fc_->weight.size(0); }

 private:
  BasicConv2d conv(const char* name, int64_t in_channels, const ConvShape& shape) {
    return register_module(name, BasicConv2d(in_channels, shape));
  }
  InceptionBlockPtr block(const char* name, InceptionBlockPtr block) {
    return register_module(name, std::move(block));
  }

  bool is_of_fid_;
  InceptionResize resize_;
  BasicConv2d conv2d_1a_3x3_, conv2d_2a_3x3_, conv2d_2b_3x3_, conv2d_3b_1x1_, conv2d_4a_3x3_;
  std::vector<InceptionBlockPtr> to_768_, to_2048_;
  nn::Linear fc_;
};

// torchvision's file has a second classifier, which only training uses.
StateDict without_auxiliary_classifier(StateDict state) {
  std::erase_if(state.tensors,
                [](const auto& entry) { return entry.first.starts_with("AuxLogits."); });
  return state;
}

}  // namespace

std::shared_ptr<FeatureNetwork> load_inception_v3(StateDict state, InceptionResize resize,
                                                  const LoadOptions& options) {
  state = nn::without_batch_counts(without_auxiliary_classifier(std::move(state)));
  const auto classifier = state.tensors.find("fc.weight");
  const bool known = classifier != state.tensors.end() && classifier->second.dim() == 2;
  auto network =
      std::make_shared<InceptionV3>(known ? classifier->second.size(0) : kClassesOfFid, resize);
  load_state_dict(*network, state, options);
  network->eval();
  return network;
}

}  // namespace latentray
