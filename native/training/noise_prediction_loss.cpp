#include "training/noise_prediction_loss.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/dtype.h"
#include "core/error.h"
#include "training/finite_samples.h"
#include "training/sample_random.h"

namespace latentray {

using at::Tensor;

namespace {

void check_sizes(const char* name, const std::optional<Tensor>& tensor, at::IntArrayRef expected) {
  if (!tensor) return;
  LATENTRAY_CHECK(tensor->sizes() == expected, "ERR_SHAPE", name, ": expected ", expected,
                  ", found ", tensor->sizes());
}

template <class List>
void check_count(const char* name, const List& list, int64_t samples) {
  LATENTRAY_CHECK(static_cast<int64_t>(list.size()) == samples, "ERR_SHAPE", name,
                  ": expected one for each of ", samples, " samples, found ", list.size());
}

void check_finite(const char* name, const Tensor& tensor, const LatentBatch& batch, int64_t step) {
  const auto sums = tensor.to(at::kDouble).flatten(1).abs().amax(1).to(at::kCPU);  // [N]
  const auto* numbers = sums.const_data_ptr<double>();
  require_finite({numbers, numbers + sums.numel()}, batch.sample_numbers, step, name);
}

void check_mask(const Tensor& mask, const LatentBatch& batch) {
  const auto rows = mask.flatten(1);
  const auto usable = at::isfinite(rows).all(1) & (rows >= 0).all(1) & (rows.sum(1) > 0);  // [N]
  for (int64_t i = 0; i < usable.numel(); ++i) {
    LATENTRAY_CHECK(usable[i].item<bool>(), "ERR_INVALID_ARG", "mask: sample ",
                    batch.sample_numbers[i],
                    ": expected weights from 0 on, some above 0. Leave samples out that have none");
  }
}

}  // namespace

void NoisePredictionLoss::check(const LatentBatch& batch, int64_t step) const {
  const auto& latents = batch.latents;
  LATENTRAY_CHECK(latents.dim() == 4 && latents.numel() > 0, "ERR_SHAPE",
                  "latents: expected [N, C, h, w], at least one sample, found ", latents.sizes());
  LATENTRAY_CHECK(latents.scalar_type() == at::kFloat, "ERR_DTYPE",
                  "latents: expected float32, found ", dtype_name(latents.scalar_type()));
  const int64_t count = latents.size(0);
  check_count("sampleNumbers", batch.sample_numbers, count);
  if (batch.timesteps) check_count("timesteps", *batch.timesteps, count);
  if (batch.weights) check_count("lossWeights", *batch.weights, count);
  if (batch.prior) check_count("prior", *batch.prior, count);
  check_sizes("deviation", batch.deviation, latents.sizes());
  check_sizes("noise", batch.noise, latents.sizes());
  check_sizes("mask", batch.mask, {count, 1, latents.size(2), latents.size(3)});
  for (const int64_t timestep : batch.timesteps.value_or(std::vector<int64_t>{})) {
    LATENTRAY_CHECK(timestep >= 0 && timestep < options_.schedule.num_train_timesteps(),
                    "ERR_INVALID_ARG", "timesteps: expected 0 to ",
                    options_.schedule.num_train_timesteps() - 1, ", found ", timestep);
  }
  check_finite("the latents", latents, batch, step);
  if (batch.deviation) check_finite("the deviation", *batch.deviation, batch, step);
  if (batch.mask) check_mask(*batch.mask, batch);
}

NoisyLatents NoisePredictionLoss::add_noise(const LatentBatch& batch, int64_t step) const {
  const auto device = batch.latents.device();
  const auto row = batch.latents.sizes().slice(1);
  const auto draw = [&](RandomPurpose purpose, at::IntArrayRef shape) {
    return randn_of_samples(options_.seed, purpose, step, batch.sample_numbers, shape).to(device);
  };
  auto latents = batch.latents;
  if (batch.deviation) {
    latents = latents + batch.deviation->to(at::kFloat) * draw(RandomPurpose::kLatentNoise, row);
  }
  auto noise = batch.noise ? batch.noise->to(at::kFloat) : draw(RandomPurpose::kNoise, row);
  if (options_.noise_offset > 0) {
    const auto offset = draw(RandomPurpose::kNoiseOffset, {row[0], 1, 1});  // [N, C, 1, 1]
    noise = noise + options_.noise_offset * offset;
  }
  auto added = noise;
  if (options_.input_perturbation > 0) {
    added = noise + options_.input_perturbation * draw(RandomPurpose::kInputPerturbation, row);
  }
  const auto whole = batch.timesteps ? *batch.timesteps
                                     : randint_of_samples(options_.seed, RandomPurpose::kTimestep,
                                                          step, batch.sample_numbers,
                                                          options_.schedule.num_train_timesteps());
  const std::vector<double> timesteps(whole.begin(), whole.end());
  return {options_.schedule.add_noise(latents, added, timesteps),
          target_of(latents, noise, timesteps), timesteps};
}

Tensor NoisePredictionLoss::target_of(const Tensor& latents, const Tensor& noise,
                                      const std::vector<double>& timesteps) const {
  switch (options_.prediction_type) {
    case PredictionType::kEpsilon:
      return noise;
    case PredictionType::kVPrediction:
      return options_.schedule.velocity(latents, noise, timesteps);
    case PredictionType::kSample:
      return latents;
  }
  return {};
}

Tensor NoisePredictionLoss::per_sample(const Tensor& prediction, const NoisyLatents& noisy,
                                       const LatentBatch& batch) const {
  const auto error = (prediction.to(at::kFloat) - noisy.target).square();  // [N, C, h, w]
  Tensor losses = error.flatten(1).mean(1);                                // [N]
  if (batch.mask) {
    const auto mask = batch.mask->to(at::kFloat).expand_as(error);
    losses = (mask * error).flatten(1).sum(1) / mask.flatten(1).sum(1);
  }
  if (!options_.snr_gamma) return losses;
  return losses * snr_weights(noisy.timesteps, batch).to(losses.device());
}

Tensor NoisePredictionLoss::snr_weights(const std::vector<double>& timesteps,
                                        const LatentBatch& batch) const {
  const double gamma = *options_.snr_gamma;
  std::vector<float> weights;
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const double alpha_cumprod =
        options_.schedule.alpha_cumprod(static_cast<int64_t>(timesteps[i]));
    const double snr = alpha_cumprod / (1 - alpha_cumprod);
    double weight = std::min(snr, gamma);
    if (options_.prediction_type == PredictionType::kVPrediction) weight /= snr + 1;
    // The same as min(SNR, γ) / SNR, but 1 where nothing is left of the signal.
    if (options_.prediction_type == PredictionType::kEpsilon) weight = std::min(1.0, gamma / snr);
    const bool is_prior = batch.prior && (*batch.prior)[i];
    weights.push_back(is_prior ? 1.0F : static_cast<float>(weight));
  }
  return at::tensor(weights);
}

}  // namespace latentray
