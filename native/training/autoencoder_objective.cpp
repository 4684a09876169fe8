#include "training/autoencoder_objective.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "training/autocast.h"

namespace latentray {

using at::Tensor;

namespace {

constexpr const char* kLastLayer = "decoder.conv_out.weight";

double number(const Tensor& scalar) { return scalar.item<double>(); }

Tensor per_image(const Tensor& x) { return x.flatten(1).sum(1); }

// Gradients stay off for the discriminator while the autoencoder learns from it.
class FrozenParameters {
 public:
  explicit FrozenParameters(torch::nn::Module& module) : parameters_(module.parameters()) {
    for (auto& parameter : parameters_) parameter.requires_grad_(false);
  }
  ~FrozenParameters() {
    for (auto& parameter : parameters_) parameter.requires_grad_(true);
  }
  FrozenParameters(const FrozenParameters&) = delete;
  FrozenParameters& operator=(const FrozenParameters&) = delete;

 private:
  std::vector<Tensor> parameters_;
};

}  // namespace

Tensor kl_divergence(const LatentDistribution& distribution) {
  const auto mean = distribution.mean.to(at::kFloat);
  const auto logvar = distribution.logvar->to(at::kFloat);
  return 0.5 * per_image(mean.square() + logvar.exp() - 1.0 - logvar);  // [N]
}

bool belongs_to_decoder(const std::string& parameter) {
  return parameter.rfind("decoder.", 0) == 0 || parameter.rfind("post_quant_conv.", 0) == 0;
}

AutoencoderObjective::AutoencoderObjective(std::shared_ptr<AutoencoderKLImpl> model,
                                           std::shared_ptr<PerceptualLoss> perceptual,
                                           PatchDiscriminator discriminator,
                                           const AutoencoderObjectiveOptions& options)
    : model_(std::move(model)),
      perceptual_(std::move(perceptual)),
      discriminator_(std::move(discriminator)),
      options_(options) {
  for (auto& entry : model_->named_parameters()) {
    const bool trains = !options_.decoder_only || belongs_to_decoder(entry.key());
    entry.value().requires_grad_(trains);
  }
  last_layer_ = model_->named_parameters()[kLastLayer];
}

LatentDistribution AutoencoderObjective::encode(const Tensor& pixels) {
  const at::AutoGradMode mode(!options_.decoder_only);
  const Autocast autocast(pixels.device().type(), options_.precision);
  return model_->encode(pixels);
}

Tensor AutoencoderObjective::decode(const LatentDistribution& distribution, const Tensor& noise) {
  LATENTRAY_CHECK(noise.sizes() == distribution.mean.sizes(), "ERR_SHAPE", "noise: expected ",
                  distribution.mean.sizes(), ", found ", noise.sizes());
  const auto deviation = (0.5 * distribution.logvar->to(at::kFloat)).exp();
  const auto latents = distribution.mean.to(at::kFloat) + deviation * noise;  // [N, C, h, w]
  const Autocast autocast(latents.device().type(), options_.precision);
  return model_->decode(latents).to(at::kFloat);  // [N, C, H, W]
}

Tensor AutoencoderObjective::judge(const Tensor& images) {
  const Autocast autocast(images.device().type(), options_.precision);
  return discriminator_(images).to(at::kFloat);
}

AutoencoderLosses AutoencoderObjective::accumulate(const Tensor& pixels, const Tensor& noise,
                                                   int64_t step, double gradient_scale) {
  const at::AutoGradMode with_grad(true);
  AutoencoderLosses losses;
  const auto distribution = encode(pixels);
  const auto reconstruction = decode(distribution, noise);

  const auto difference = pixels - reconstruction;
  const auto error = per_image(options_.reconstruction == ReconstructionError::kAbsolute
                                   ? difference.abs()
                                   : difference.square());  // [N]
  const double pixel_count = static_cast<double>(pixels[0].numel());
  losses.reconstruction = number(error.detach().mean()) / pixel_count;
  auto each = error;
  if (perceptual_) {
    const Autocast autocast(pixels.device().type(), options_.precision);
    const auto distance = perceptual_->forward(reconstruction, pixels).to(at::kFloat);  // [N]
    losses.perceptual = number(distance.detach().mean());
    each = each + options_.perceptual_weight * pixel_count * distance;
  }
  auto loss = each.mean();
  // The ratio of gradients compares with restoring alone.
  const auto adversarial =
      discriminator_is_active(step) ? add_adversarial(loss, reconstruction, losses) : Tensor();
  const auto kl = kl_divergence(distribution);  // [N]
  losses.kl = number(kl.detach().mean());
  if (!options_.decoder_only) {
    each = each + options_.kl_weight * kl;
    loss = loss + options_.kl_weight * kl.mean();
  }
  if (adversarial.defined()) loss = loss + adversarial;
  losses.total = number(loss.detach());
  const auto own = each.detach().to(at::kCPU, at::kDouble);
  losses.per_sample.assign(own.const_data_ptr<double>(),
                           own.const_data_ptr<double>() + own.numel());

  (loss * gradient_scale).backward();
  if (adversarial.defined()) {
    accumulate_discriminator(pixels, reconstruction.detach(), gradient_scale, losses);
  }
  return losses;
}

Tensor AutoencoderObjective::add_adversarial(const Tensor& loss, const Tensor& reconstruction,
                                             AutoencoderLosses& losses) {
  const FrozenParameters frozen(*discriminator_);
  const auto adversarial = -judge(reconstruction).mean();
  const auto norm_at_last_layer = [this](const Tensor& part) {
    return torch::autograd::grad({part}, {last_layer_}, {}, /*retain_graph=*/true)[0].norm();
  };
  const auto ratio =
      norm_at_last_layer(loss) / (norm_at_last_layer(adversarial).to(at::kFloat) + 1e-4);
  const auto weight = ratio.clamp(0.0, 1e4).detach() * options_.discriminator_weight;
  losses.adversarial = number(adversarial.detach());
  losses.adversarial_weight = number(weight);
  return weight * adversarial;
}

void AutoencoderObjective::accumulate_discriminator(const Tensor& pixels,
                                                    const Tensor& reconstruction,
                                                    double gradient_scale,
                                                    AutoencoderLosses& losses) {
  const auto real = judge(pixels);
  const auto made = judge(reconstruction);
  const auto loss = discriminator_hinge_loss(real, made);
  losses.discriminator = number(loss.detach());
  (loss * gradient_scale).backward();
}

}  // namespace latentray
