// What an autoencoder is trained for: to restore images (pixel by pixel, and as they look), to keep
// its latents near a normal distribution, and to be told from real images by no discriminator.
// Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), section
// 3.1 and appendix G; checked against CompVis/latent-diffusion's
// ldm/modules/losses/contperceptual.py (LPIPSWithDiscriminator).
#pragma once

#include <memory>
#include <optional>

#include "models/autoencoder_kl.h"
#include "training/patch_discriminator.h"
#include "training/perceptual_loss.h"

namespace latentray {

enum class ReconstructionError { kAbsolute, kSquared };

// The terms are summed over an image's pixels (latents for KL) and averaged over images, as
// published, so that published weights apply.
struct AutoencoderObjectiveOptions {
  // The encoder and its quantisation convolution stay as they are: latents keep their meaning.
  bool decoder_only = false;
  ReconstructionError reconstruction = ReconstructionError::kAbsolute;
  double kl_weight = 1e-6;
  // Of LPIPS, added to every pixel's error.
  double perceptual_weight = 1.0;
  // Times the ratio of the gradients' norms at the decoder's last layer.
  double discriminator_weight = 0.5;
  // The first step that the discriminator takes part in.
  int64_t discriminator_start = 50001;
  // What the networks compute in (autocast). Losses are float32.
  at::ScalarType precision = at::kFloat;
};

// Means over the batch, for people and logs. What takes no part is 0.
struct AutoencoderLosses {
  double total = 0;           // what the autoencoder minimises
  double reconstruction = 0;  // a pixel's error
  double perceptual = 0;      // LPIPS
  double kl = 0;              // an image's divergence
  double adversarial = 0;     // the generator's term, unweighted
  double adversarial_weight = 0;
  double discriminator = 0;        // what the discriminator minimises
  std::vector<double> per_sample;  // the part of `total` that is each image's own
};

class AutoencoderObjective {
 public:
  // Turns gradients on for the parameters that it trains and off for the others.
  AutoencoderObjective(std::shared_ptr<AutoencoderKLImpl> model,
                       std::shared_ptr<PerceptualLoss> perceptual, PatchDiscriminator discriminator,
                       const AutoencoderObjectiveOptions& options);

  bool discriminator_is_active(int64_t step) const {
    return discriminator_ && step >= options_.discriminator_start;
  }

  // One micro batch: pixels [N, C, H, W] in [-1, 1], noise [N, latent channels, h, w]. Adds
  // gradients, times `gradient_scale`, to those that are there.
  AutoencoderLosses accumulate(const at::Tensor& pixels, const at::Tensor& noise, int64_t step,
                               double gradient_scale);

 private:
  LatentDistribution encode(const at::Tensor& pixels);
  at::Tensor decode(const LatentDistribution& distribution, const at::Tensor& noise);
  at::Tensor judge(const at::Tensor& images);
  at::Tensor add_adversarial(const at::Tensor& loss, const at::Tensor& reconstruction,
                             AutoencoderLosses& losses);
  void accumulate_discriminator(const at::Tensor& pixels, const at::Tensor& reconstruction,
                                double gradient_scale, AutoencoderLosses& losses);

  std::shared_ptr<AutoencoderKLImpl> model_;
  std::shared_ptr<PerceptualLoss> perceptual_;  // or none
  PatchDiscriminator discriminator_;            // or none
  AutoencoderObjectiveOptions options_;
  at::Tensor last_layer_;
};

// The divergence of a diagonal Gaussian from the standard normal one, summed over an image's
// latents: [N].
at::Tensor kl_divergence(const LatentDistribution& distribution);

// Whether training the decoder alone trains this parameter of AutoencoderKL.
bool belongs_to_decoder(const std::string& parameter);

}  // namespace latentray
