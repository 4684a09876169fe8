// Trains a network that says of each label, on its own, whether an image shows it: binary
// cross-entropy, positives weighed against how rare they are, labels that nobody knows left out.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "models/feature_network.h"
#include "training/parameter_trainer.h"

namespace latentray {

// How far each image is moved before it is seen. Nothing is mirrored: the heart has a side.
struct AugmentationOptions {
  double rotation = 0;     // degrees, either way
  double translation = 0;  // share of the side, either way
  double zoom = 0;         // share of the size, either way
};

struct ClassifierTrainerOptions {
  ParameterTrainerOptions training;
  std::optional<std::vector<double>> pos_weight;  // one a label
  AugmentationOptions augmentation;
  uint64_t seed = 0;
};

struct LabelledBatch {
  at::Tensor pixels;  // [N, 1 or 3, H, W] in [−1, 1]
  at::Tensor labels;  // [N, labels]: 1, 0, or NaN where it is not known
  std::vector<uint64_t> sample_numbers;
};

struct ClassifierLosses {
  double total = 0;
  std::vector<double> per_sample;  // over its known labels; 0 for a sample without any
};

class ClassifierTrainer {
 public:
  // ERR_DTYPE unless the network is float32; ERR_SHAPE for another number of weights.
  ClassifierTrainer(std::shared_ptr<FeatureNetwork> network,
                    const ClassifierTrainerOptions& options);
  ~ClassifierTrainer();
  ClassifierTrainer(const ClassifierTrainer&) = delete;
  ClassifierTrainer& operator=(const ClassifierTrainer&) = delete;

  // Adds a micro batch's gradients. ERR_SHAPE, ERR_NON_FINITE; ERR_INVALID_ARG without a known
  // label.
  ClassifierLosses accumulate(const LabelledBatch& batch, int64_t step, int64_t micro_steps);
  ParameterUpdate update(double learning_rate) { return trainer_->update(learning_rate); }

  const std::shared_ptr<FeatureNetwork>& network() const { return network_; }

 private:
  void check(const LabelledBatch& batch) const;
  at::Tensor augmented(const at::Tensor& images, const LabelledBatch& batch, int64_t step) const;
  at::Tensor logits_of(const LabelledBatch& batch, int64_t step);

  std::shared_ptr<FeatureNetwork> network_;
  ClassifierTrainerOptions options_;
  at::Tensor pos_weight_;  // [labels], or undefined
  NamedParameters parameters_;
  std::unique_ptr<ParameterTrainer> trainer_;
};

}  // namespace latentray
