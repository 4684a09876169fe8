#include "training/classifier_trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

#include "core/dtype.h"
#include "core/error.h"
#include "nn/module_parameters.h"
#include "training/autocast.h"
#include "training/finite_samples.h"
#include "training/measured_convolutions.h"
#include "training/sample_random.h"

namespace latentray {

using at::Tensor;

namespace {

// Batch normalisation sees a batch only while one is learned from.
class TrainingMode {
 public:
  explicit TrainingMode(torch::nn::Module& module) : module_(module) { module_.train(); }
  ~TrainingMode() { module_.eval(); }
  TrainingMode(const TrainingMode&) = delete;
  TrainingMode& operator=(const TrainingMode&) = delete;

 private:
  torch::nn::Module& module_;
};

bool is_learned(const std::string& name) {
  return !name.ends_with("running_mean") && !name.ends_with("running_var");
}

// A turn, a zoom and a shift, as affine_grid takes them: [2, 3].
Tensor placement(const AugmentationOptions& limits, const at::Generator& generator) {
  const auto drawn = at::rand({4}, generator, at::TensorOptions(at::kDouble)) * 2 - 1;
  const auto* unit = drawn.const_data_ptr<double>();
  const double angle = unit[0] * limits.rotation * std::numbers::pi / 180;
  const double scale = 1 + unit[1] * limits.zoom;
  const double cosine = std::cos(angle) / scale;
  const double sine = std::sin(angle) / scale;
  // The grid's sides are 2 long.
  return at::tensor({cosine, -sine, 2 * unit[2] * limits.translation, sine, cosine,
                     2 * unit[3] * limits.translation})
      .view({2, 3});
}

}  // namespace

ClassifierTrainer::ClassifierTrainer(std::shared_ptr<FeatureNetwork> network,
                                     const ClassifierTrainerOptions& options)
    : network_(std::move(network)), options_(options) {
  const auto first = nn::first_parameter(*network_);
  LATENTRAY_CHECK(first.scalar_type() == at::kFloat, "ERR_DTYPE",
                  "classifier: expected float32 to train it, found ",
                  dtype_name(first.scalar_type()), ". Train with precision 'bfloat16' for speed");
  if (options_.pos_weight) {
    LATENTRAY_CHECK(static_cast<int64_t>(options_.pos_weight->size()) == network_->classes(),
                    "ERR_SHAPE", "posWeight: expected one for each of ", network_->classes(),
                    " labels, found ", options_.pos_weight->size());
    pos_weight_ = at::tensor(*options_.pos_weight).to(first.options());
  }
  for (const auto& entry : network_->named_parameters()) {
    if (is_learned(entry.key())) parameters_.emplace_back(entry.key(), entry.value());
  }
  for (const auto& [name, parameter] : parameters_) parameter.requires_grad_(true);
  trainer_ = std::make_unique<ParameterTrainer>(parameters_, options_.training);
}

ClassifierTrainer::~ClassifierTrainer() {
  forget_gradients(parameters_);
  for (const auto& [name, parameter] : parameters_) parameter.requires_grad_(false);
}

void ClassifierTrainer::check(const LabelledBatch& batch) const {
  const int64_t count = batch.pixels.dim() == 0 ? 0 : batch.pixels.size(0);
  LATENTRAY_CHECK(static_cast<int64_t>(batch.sample_numbers.size()) == count, "ERR_SHAPE",
                  "sampleNumbers: expected one for each of ", count, " images, found ",
                  batch.sample_numbers.size());
  const std::vector<int64_t> expected = {count, network_->classes()};
  LATENTRAY_CHECK(batch.labels.sizes() == expected, "ERR_SHAPE", "labels: expected ",
                  at::IntArrayRef(expected), ", found ", batch.labels.sizes());
}

Tensor ClassifierTrainer::augmented(const Tensor& images, const LabelledBatch& batch,
                                    int64_t step) const {
  const auto& limits = options_.augmentation;
  if (limits.rotation == 0 && limits.translation == 0 && limits.zoom == 0) return images;
  std::vector<Tensor> placements;
  for (const uint64_t sample : batch.sample_numbers) {
    placements.push_back(
        placement(limits, generator_of(options_.seed, RandomPurpose::kAugmentation, step, sample)));
  }
  const auto grid = at::affine_grid_generator(at::stack(placements).to(images.options()),
                                              images.sizes(), false);  // [N, S, S, 2]
  constexpr int64_t kBilinear = 0;
  constexpr int64_t kBorder = 1;
  return at::grid_sampler(images, grid, kBilinear, kBorder, false);
}

Tensor ClassifierTrainer::logits_of(const LabelledBatch& batch, int64_t step) {
  const auto device = nn::first_parameter(*network_).device();
  const auto unit = (batch.pixels.to(device) * 0.5 + 0.5).clamp(0, 1);
  const auto images = augmented(network_->prepare(unit), batch, step);
  const Autocast autocast(device.type(), options_.training.precision);
  return network_->forward(images).at("logits").to(at::kFloat);  // [N, labels]
}

ClassifierLosses ClassifierTrainer::accumulate(const LabelledBatch& batch, int64_t step,
                                               int64_t micro_steps) {
  check(batch);
  trainer_->check_pass(step, micro_steps);
  const MeasuredConvolutions measured;
  const TrainingMode training(*network_);
  const at::AutoGradMode with_grad(true);

  const auto logits = logits_of(batch, step);
  const auto labels = batch.labels.to(logits.options());
  const auto known = labels.isnan().logical_not().to(logits.scalar_type());  // [N, labels]
  const auto count = known.sum();
  LATENTRAY_CHECK(count.item<double>() > 0, "ERR_INVALID_ARG",
                  "labels: expected a known one in each batch, found none in step ", step);
  const auto pos_weight = pos_weight_.defined() ? std::optional<Tensor>(pos_weight_) : std::nullopt;
  const auto each = at::binary_cross_entropy_with_logits(logits, labels.nan_to_num(), known,
                                                         pos_weight, at::Reduction::None);
  const auto loss = each.sum() / count;

  ClassifierLosses found{loss.item<double>(), numbers_of(each.sum(1) / known.sum(1).clamp_min(1))};
  if (!trainer_->skips_overflows()) {
    require_finite(found.per_sample, batch.sample_numbers, step, "the loss");
  }
  const double scale = trainer_->begin_pass(step, micro_steps);
  try {
    (loss * scale).backward();
  } catch (...) {
    trainer_->forget();
    throw;
  }
  trainer_->end_pass();
  return found;
}

}  // namespace latentray
