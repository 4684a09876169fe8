// Stable Diffusion's published safety checker: an image's CLIP embedding is compared with those of
// concepts that it is not to show. Checked against diffusers'
// pipelines/stable_diffusion/safety_checker.py.
#pragma once

#include "models/clip_vision.h"

namespace latentray {

struct SafetyCheckerOptions {
  CLIPVisionOptions vision;
  int64_t projection_dim;
  int64_t concepts;               // their number is the checkpoint's
  int64_t special_care_concepts;  // which make the others stricter

  static SafetyCheckerOptions from_config(const Config& config, const StateDict& state);
};

class StableDiffusionSafetyCheckerImpl : public torch::nn::Module {
 public:
  explicit StableDiffusionSafetyCheckerImpl(const SafetyCheckerOptions& options);

  // pixels as prepare_for_clip() gives them → how far each image is beyond each concept's
  // threshold, [N, concepts], rounded to three digits; above 0 shows the concept.
  at::Tensor forward(const at::Tensor& pixels);

  int64_t image_size() const { return vision_model_->options().image_size; }

 private:
  CLIPVisionModel vision_model_;
  nn::Linear visual_projection_;
  at::Tensor concept_embeds_;               // [concepts, projection_dim]
  at::Tensor concept_embeds_weights_;       // [concepts]: their thresholds
  at::Tensor special_care_embeds_;          // [special_care_concepts, projection_dim]
  at::Tensor special_care_embeds_weights_;  // [special_care_concepts]
};
TORCH_MODULE(StableDiffusionSafetyChecker);

// In evaluation mode. The errors of from_config and of load_state_dict.
StableDiffusionSafetyChecker load_safety_checker(const Config& config, StateDict state,
                                                 const LoadOptions& options);

}  // namespace latentray
