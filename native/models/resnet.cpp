#include "models/resnet.h"

#include <ATen/ATen.h>

#include "models/positive_integer.h"
#include "nn/module_parameters.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr int64_t kMaxImageSize = 4096;

// The shortcut where a block changes the shape; its parts are called "0" and "1".
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(int64_t in_channels, int64_t out_channels, int64_t stride)
      : conv_(register_module("0", nn::Conv2d(in_channels, out_channels, 1, stride, 0, false))),
        norm_(register_module("1", nn::BatchNorm2d(out_channels))) {}

  // [N, C, H, W] → [N, C', H/stride, W/stride]
  Tensor forward(const Tensor& x) { return norm_(conv_(x)); }

 private:
  nn::Conv2d conv_;
  nn::BatchNorm2d norm_;
};
TORCH_MODULE(Downsample);

class BasicBlockImpl : public torch::nn::Module {
 public:
  BasicBlockImpl(int64_t in_channels, int64_t out_channels, int64_t stride)
      : conv1_(
            register_module("conv1", nn::Conv2d(in_channels, out_channels, 3, stride, 1, false))),
        bn1_(register_module("bn1", nn::BatchNorm2d(out_channels))),
        conv2_(register_module("conv2", nn::Conv2d(out_channels, out_channels, 3, 1, 1, false))),
        bn2_(register_module("bn2", nn::BatchNorm2d(out_channels))) {
    if (stride == 1 && in_channels == out_channels) return;
    downsample_ = register_module("downsample", Downsample(in_channels, out_channels, stride));
  }

  // [N, C, H, W] → [N, C', H/stride, W/stride]
  Tensor forward(const Tensor& x) {
    const Tensor shortcut = downsample_.is_empty() ? x : downsample_(x);
    return at::relu(shortcut + bn2_(conv2_(at::relu(bn1_(conv1_(x))))));
  }

 private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;
  Downsample downsample_{nullptr};
};
TORCH_MODULE(BasicBlock);

class Stage : public torch::nn::Module {
 public:
  Stage(int64_t in_channels, int64_t out_channels, int64_t depth, int64_t stride) {
    for (int64_t i = 0; i < depth; ++i) {
      blocks_.push_back(register_module(
          std::to_string(i),
          BasicBlock(i == 0 ? in_channels : out_channels, out_channels, i == 0 ? stride : 1)));
    }
  }

  Tensor forward(Tensor x) {
    for (auto& block : blocks_) x = block(x);
    return x;
  }

 private:
  std::vector<BasicBlock> blocks_;
};

}  // namespace

ResNetOptions ResNetOptions::from_config(const Config& config) {
  ResNetOptions options;
  config.require_one_of("layer_type", {"basic"}, "basic");
  options.num_channels = positive_integer(config, "num_channels", options.num_channels);
  if (options.num_channels != 1 && options.num_channels != 3) {
    config.reject("num_channels", "1 or 3");
  }
  options.embedding_size = positive_integer(config, "embedding_size", options.embedding_size);
  options.hidden_sizes = positive_integers(config, "hidden_sizes", options.hidden_sizes);
  options.depths = positive_integers(config, "depths", options.depths);
  if (options.depths.size() != options.hidden_sizes.size()) {
    config.reject("depths", "as many as hidden_sizes");
  }
  options.image_size = positive_integer(config, "image_size", options.image_size, kMaxImageSize);
  options.num_labels = positive_integer(config, "num_labels", options.num_labels);
  return options;
}

ResNet::ResNet(const ResNetOptions& options)
    : options_(options),
      conv1_(register_module(
          "conv1", nn::Conv2d(options.num_channels, options.embedding_size, 7, 2, 3, false))),
      bn1_(register_module("bn1", nn::BatchNorm2d(options.embedding_size))),
      fc_(nullptr) {
  int64_t channels = options.embedding_size;
  for (size_t i = 0; i < options.hidden_sizes.size(); ++i) {
    const int64_t wider = options.hidden_sizes[i];
    stages_.push_back(register_module(
        c10::str("layer", i + 1),
        std::make_shared<Stage>(channels, wider, options.depths[i], i == 0 ? 1 : 2)));
    channels = wider;
  }
  fc_ = register_module("fc", nn::Linear(channels, options.num_labels));
}

Tensor ResNet::prepare(const Tensor& pixels) const {
  check_pixels(pixels);
  // In float32: bfloat16 has no antialiased resize.
  Tensor x = middle_square(pixels.to(fc_->weight.device(), at::kFloat));
  x = options_.num_channels == 1 ? grey(x) : x.expand({-1, 3, -1, -1});
  x = at::_upsample_bilinear2d_aa(x, {options_.image_size, options_.image_size}, false);
  return ((x - 0.5) / 0.25)
      .to(fc_->weight.scalar_type());  // [N, num_channels, image_size, image_size]
}

std::map<std::string, Tensor> ResNet::forward(const Tensor& prepared) {
  Tensor x = at::relu(bn1_(conv1_(prepared)));    // [N, embedding_size, S/2, S/2]
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});  // [N, embedding_size, S/4, S/4]
  for (auto& stage : stages_) x = stage->as<Stage>()->forward(x);
  const Tensor features = x.mean({2, 3});  // [N, D]
  return {{"features", features}, {"logits", fc_(features)}};
}

Tensor ResNet::probabilities(const Tensor& logits) const { return at::sigmoid(logits); }

std::shared_ptr<ResNet> load_resnet(const Config& config, StateDict state,
                                    const LoadOptions& options) {
  auto network = std::make_shared<ResNet>(ResNetOptions::from_config(config));
  load_state_dict(*network, nn::without_batch_counts(std::move(state)), options);
  if (options.device.is_cuda()) nn::use_channels_last(*network);
  network->eval();
  return network;
}

}  // namespace latentray
