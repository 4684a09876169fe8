#include "models/densenet.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <regex>

#include "core/cancellation.h"
#include "core/error.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr int64_t kDenseNetSide = 224;
constexpr std::array<double, 3> kImageNetMean = {0.485, 0.456, 0.406};
constexpr std::array<double, 3> kImageNetDeviation = {0.229, 0.224, 0.225};

class DenseLayerImpl : public torch::nn::Module {
 public:
  DenseLayerImpl(int64_t in_channels, const DenseNetOptions& options)
      : norm1_(register_module("norm1", nn::BatchNorm2d(in_channels))),
        conv1_(register_module("conv1", nn::Conv2d(in_channels, width(options), 1, 1, 0, false))),
        norm2_(register_module("norm2", nn::BatchNorm2d(width(options)))),
        conv2_(register_module("conv2", nn::Conv2d(width(options), options.growth_rate, 3, 1, 1,
                                                   /*bias=*/false))) {}

  // x [N, C, H, W] → [N, C + growth rate, H, W]
  Tensor forward(const Tensor& x) {
    cancellation_point();
    const Tensor narrow = conv1_(at::relu(norm1_(x)));
    return at::cat({x, conv2_(at::relu(norm2_(narrow)))}, 1);
  }

 private:
  static int64_t width(const DenseNetOptions& options) {
    return options.bn_size * options.growth_rate;
  }

  nn::BatchNorm2d norm1_;
  nn::Conv2d conv1_;
  nn::BatchNorm2d norm2_;
  nn::Conv2d conv2_;
};
TORCH_MODULE(DenseLayer);

class DenseBlockImpl : public torch::nn::Module {
 public:
  DenseBlockImpl(int64_t layers, int64_t in_channels, const DenseNetOptions& options) {
    for (int64_t i = 0; i < layers; ++i) {
      layers_.push_back(
          register_module(c10::str("denselayer", i + 1),
                          DenseLayer(in_channels + i * options.growth_rate, options)));
    }
  }

  Tensor forward(Tensor x) {
    for (auto& layer : layers_) x = layer(x);
    return x;
  }

 private:
  std::vector<DenseLayer> layers_;
};
TORCH_MODULE(DenseBlock);

class TransitionImpl : public torch::nn::Module {
 public:
  explicit TransitionImpl(int64_t in_channels)
      : norm_(register_module("norm", nn::BatchNorm2d(in_channels))),
        conv_(register_module("conv", nn::Conv2d(in_channels, in_channels / 2, 1, 1, 0, false))) {}

  // [N, C, H, W] → [N, C/2, H/2, W/2]
  Tensor forward(const Tensor& x) {
    return at::avg_pool2d(conv_(at::relu(norm_(x))), {2, 2}, {2, 2});
  }

 private:
  nn::BatchNorm2d norm_;
  nn::Conv2d conv_;
};
TORCH_MODULE(Transition);

int64_t dimension(const StateDict& state, const std::string& key, int64_t dim) {
  const auto found = state.tensors.find(key);
  LATENTRAY_CHECK(found != state.tensors.end(), "ERR_WEIGHTS_MISSING_KEY", state.origin,
                  ": a DenseNet needs ", key, ", which the file lacks");
  LATENTRAY_CHECK(found->second.dim() > dim && found->second.size(dim) > 0, "ERR_WEIGHTS_SHAPE",
                  state.origin, ": ", key, ": found shape ", found->second.sizes());
  return found->second.size(dim);
}

// Before 2017 the layers were named "norm.1", "conv.1".
StateDict with_current_names(StateDict state) {
  static const std::regex kOld(R"(^(.*denselayer\d+\.(?:norm|conv))\.([12])\.(.*)$)");
  std::map<std::string, Tensor> tensors;
  for (auto& [key, tensor] : state.tensors) {
    tensors[std::regex_replace(key, kOld, "$1$2.$3")] = std::move(tensor);
  }
  state.tensors = std::move(tensors);
  return state;
}

}  // namespace

class DenseNet::Features : public torch::nn::Module {
 public:
  explicit Features(const DenseNetOptions& options)
      : conv0_(register_module(
            "conv0", nn::Conv2d(options.in_channels, options.init_features, 7, 2, 3, false))),
        norm0_(register_module("norm0", nn::BatchNorm2d(options.init_features))) {
    channels_ = options.init_features;
    for (size_t i = 0; i < options.block_config.size(); ++i) {
      const int64_t layers = options.block_config[i];
      blocks_.push_back(
          register_module(c10::str("denseblock", i + 1), DenseBlock(layers, channels_, options)));
      channels_ += layers * options.growth_rate;
      if (i + 1 == options.block_config.size()) break;
      transitions_.push_back(register_module(c10::str("transition", i + 1), Transition(channels_)));
      channels_ /= 2;
    }
    norm5_ = register_module("norm5", nn::BatchNorm2d(channels_));
  }

  // [N, C, 224, 224] → [N, channels, 7, 7]
  Tensor forward(const Tensor& pixels) {
    Tensor x = at::relu(norm0_(conv0_(pixels)));    // [N, 64, 112, 112]
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});  // [N, 64, 56, 56]
    for (size_t i = 0; i < blocks_.size(); ++i) {
      x = blocks_[i](x);
      if (i < transitions_.size()) x = transitions_[i](x);
    }
    return norm5_(x);
  }

  int64_t channels() const { return channels_; }

 private:
  nn::Conv2d conv0_;
  nn::BatchNorm2d norm0_;
  std::vector<DenseBlock> blocks_;
  std::vector<Transition> transitions_;
  nn::BatchNorm2d norm5_{nullptr};
  int64_t channels_;
};

DenseNetOptions DenseNetOptions::of_weights(const StateDict& state) {
  const std::string first = "features.denseblock1.denselayer1.";
  DenseNetOptions options;
  options.in_channels = dimension(state, "features.conv0.weight", 1);
  options.init_features = dimension(state, "features.conv0.weight", 0);
  options.growth_rate = dimension(state, first + "conv2.weight", 0);
  options.bn_size = dimension(state, first + "conv1.weight", 0) / options.growth_rate;
  options.num_classes = dimension(state, "classifier.weight", 0);
  options.block_config.clear();
  const auto has = [&](size_t block, int64_t layer) {
    return state.tensors.contains(
        c10::str("features.denseblock", block, ".denselayer", layer, ".conv1.weight"));
  };
  for (size_t block = 1; has(block, 1); ++block) {
    int64_t layers = 1;
    while (has(block, layers + 1)) ++layers;
    options.block_config.push_back(layers);
  }
  return options;
}

DenseNet::DenseNet(const DenseNetOptions& options)
    : options_(options),
      features_(register_module("features", std::make_shared<Features>(options))),
      classifier_(
          register_module("classifier", nn::Linear(features_->channels(), options.num_classes))) {}

Tensor DenseNet::prepare(const Tensor& pixels) const {
  check_pixels(pixels);
  const auto dtype = classifier_->weight.scalar_type();
  // In float32: bfloat16 has too few digits for bytes, and no antialiased resize.
  Tensor x = middle_square(pixels.to(classifier_->weight.device(), at::kFloat));
  const bool is_grey = options_.in_channels == 1;
  if (is_grey) x = grey(x);
  x = at::_upsample_bilinear2d_aa(x, {kDenseNetSide, kDenseNetSide}, false);  // [N, C, 224, 224]
  if (is_grey) return (x * 2048 - 1024).to(dtype);
  const auto per_channel = [&](const std::array<double, 3>& values) {
    return at::tensor(at::ArrayRef<double>(values), x.options()).view({1, 3, 1, 1});
  };
  return ((x - per_channel(kImageNetMean)) / per_channel(kImageNetDeviation)).to(dtype);
}

std::map<std::string, Tensor> DenseNet::forward(const Tensor& prepared) {
  const Tensor features = at::relu(features_->forward(prepared)).mean({2, 3});  // [N, channels]
  return {{"features", features}, {"logits", classifier_(features)}};
}

Tensor DenseNet::probabilities(const Tensor& logits) const {
  const Tensor p = at::sigmoid(logits);
  if (!thresholds_.defined()) return p;
  const Tensor below = p / (thresholds_ * 2);
  const Tensor above = 1 - (1 - p) / ((1 - thresholds_) * 2);
  return at::where(thresholds_.isnan(), at::full_like(p, 0.5),
                   at::where(p < thresholds_, below, above));
}

std::shared_ptr<DenseNet> load_densenet(StateDict state, const LoadOptions& options) {
  state = nn::without_batch_counts(with_current_names(std::move(state)));
  Tensor thresholds;
  if (const auto found = state.tensors.find("op_threshs"); found != state.tensors.end()) {
    thresholds = found->second;
    state.tensors.erase(found);
  }
  auto network = std::make_shared<DenseNet>(DenseNetOptions::of_weights(state));
  load_state_dict(*network, state, options);
  network->eval();
  if (thresholds.defined()) {
    LATENTRAY_CHECK(thresholds.sizes() == at::IntArrayRef{network->options().num_classes},
                    "ERR_WEIGHTS_SHAPE", state.origin, ": op_threshs: expected one for each of ",
                    network->options().num_classes, " classes, found ", thresholds.sizes());
    network->set_thresholds(thresholds.to(options.device, at::kFloat));
  }
  return network;
}

}  // namespace latentray
