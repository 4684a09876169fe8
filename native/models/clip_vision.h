// CLIP's image transformer. Radford et al., "Learning Transferable Visual Models From Natural
// Language Supervision" (2021). Checked against transformers' models/clip/modeling_clip.py,
// CLIPVisionModel.
#pragma once

#include "models/clip_text.h"
#include "models/feature_network.h"

namespace latentray {

// config.json's keys with CLIPVisionConfig's defaults.
struct CLIPVisionOptions {
  CLIPTextOptions encoder;  // of its layers, which are those of the text transformer
  int64_t num_channels;
  int64_t image_size;
  int64_t patch_size;

  static CLIPVisionOptions from_config(const Config& config);
};

class CLIPVisionEmbeddingsImpl : public torch::nn::Module {
 public:
  explicit CLIPVisionEmbeddingsImpl(const CLIPVisionOptions& options);

  // pixels [N, C, size, size] → [N, 1 + patches, hidden]; the first is the whole image's.
  at::Tensor forward(const at::Tensor& pixels);

 private:
  at::Tensor class_embedding_;  // [hidden]
  nn::Conv2d patch_embedding_;
  nn::Embedding position_embedding_;
};
TORCH_MODULE(CLIPVisionEmbeddings);

class CLIPVisionModelImpl : public torch::nn::Module {
 public:
  explicit CLIPVisionModelImpl(const CLIPVisionOptions& options);

  // pixels [N, C, image_size, image_size], normalised → the pooled output [N, hidden]
  at::Tensor forward(const at::Tensor& pixels);

  const CLIPVisionOptions& options() const { return options_; }

 private:
  CLIPVisionOptions options_;
  CLIPVisionEmbeddings embeddings_;
  nn::LayerNorm pre_layernorm_;
  CLIPEncoder encoder_;
  nn::LayerNorm post_layernorm_;
};
TORCH_MODULE(CLIPVisionModel);

// Bytes [N, H, W, 3] as CLIP's image processor prepares them: the shorter side brought to `size`
// (bicubic), the middle cut out, normalised → float32 [N, 3, size, size].
at::Tensor prepare_for_clip(const at::Tensor& bytes, int64_t size);

// The projected embedding of an image as a feature network's: the layer is "features" [N, D], and
// there are no logits. A published CLIP, whole or its image half, with its config.json. The errors
// of CLIPVisionOptions::from_config and of load_state_dict. Checked against transformers'
// CLIPVisionModelWithProjection.
std::shared_ptr<FeatureNetwork> load_clip_image_features(const Config& config, StateDict state,
                                                         const LoadOptions& options);

}  // namespace latentray
