// Huang et al., "Densely Connected Convolutional Networks" (2017). The names are torchvision's,
// which torchxrayvision's classifiers share (Cohen et al., "TorchXRayVision: A Library of Chest
// X-Ray Datasets and Models", 2022). Checked against torchxrayvision's models.py.
#pragma once

#include <optional>
#include <vector>

#include "models/feature_network.h"
#include "nn/batch_norm.h"
#include "nn/layers.h"

namespace latentray {

struct DenseNetOptions {
  int64_t in_channels = 1;
  int64_t init_features = 64;
  int64_t growth_rate = 32;
  int64_t bn_size = 4;
  std::vector<int64_t> block_config = {6, 12, 24, 16};
  int64_t num_classes = 18;

  // A checkpoint's shapes say them all. ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_SHAPE.
  static DenseNetOptions of_weights(const StateDict& state);
};

class DenseNet : public FeatureNetwork {
 public:
  explicit DenseNet(const DenseNetOptions& options);

  // Grey (luma of RGB), the middle square, 224 × 224 with antialiasing, in [−1024, 1024] for one
  // channel (torchxrayvision) and normalised as ImageNet's for three (torchvision).
  at::Tensor prepare(const at::Tensor& pixels) const override;

  // "features": [N, D], the last normalisation's ReLU averaged over space; "logits": [N, classes].
  std::map<std::string, at::Tensor> forward(const at::Tensor& prepared) override;

  // Probabilities, moved so that 0.5 is each class's threshold where the file has thresholds.
  at::Tensor probabilities(const at::Tensor& logits) const override;

  int64_t classes() const override { return options_.num_classes; }

  const DenseNetOptions& options() const { return options_; }
  void set_thresholds(at::Tensor thresholds) { thresholds_ = std::move(thresholds); }

 private:
  class Features;
  DenseNetOptions options_;
  std::shared_ptr<Features> features_;
  nn::Linear classifier_;
  at::Tensor thresholds_;  // [classes], or undefined
};

// torchvision's and torchxrayvision's state dictionaries, old names included. ERR_WEIGHTS_….
std::shared_ptr<DenseNet> load_densenet(StateDict state, const LoadOptions& options);

}  // namespace latentray
