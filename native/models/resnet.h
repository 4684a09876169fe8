// A small residual network that says which findings a radiograph shows. He et al., "Deep Residual
// Learning for Image Recognition" (2016), with basic blocks. Parameter names are torchvision's
// (models/resnet.py), config keys those of transformers' ResNetConfig.
#pragma once

#include <vector>

#include "core/config.h"
#include "models/feature_network.h"
#include "nn/batch_norm.h"
#include "nn/layers.h"

namespace latentray {

struct ResNetOptions {
  int64_t num_channels = 1;
  int64_t embedding_size = 32;
  std::vector<int64_t> hidden_sizes = {32, 64, 128, 256};
  std::vector<int64_t> depths = {2, 2, 2, 2};
  int64_t image_size = 128;
  int64_t num_labels = 2;

  // ERR_CONFIG_INVALID.
  static ResNetOptions from_config(const Config& config);
};

class ResNet : public FeatureNetwork {
 public:
  explicit ResNet(const ResNetOptions& options);

  // Grey (luma of RGB) for one channel, the middle square, image_size × image_size with
  // antialiasing, in [−2, 2].
  at::Tensor prepare(const at::Tensor& pixels) const override;

  // "features": [N, D], the last stage averaged over space; "logits": [N, labels].
  std::map<std::string, at::Tensor> forward(const at::Tensor& prepared) override;

  // Of each label on its own.
  at::Tensor probabilities(const at::Tensor& logits) const override;

  int64_t classes() const override { return options_.num_labels; }

 private:
  ResNetOptions options_;
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  std::vector<std::shared_ptr<torch::nn::Module>> stages_;
  nn::Linear fc_;
};

// In evaluation mode. torchvision's state dictionaries fit. ERR_CONFIG_INVALID, ERR_WEIGHTS_….
std::shared_ptr<ResNet> load_resnet(const Config& config, StateDict state,
                                    const LoadOptions& options);

}  // namespace latentray
