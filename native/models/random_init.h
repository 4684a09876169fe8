// Models that have learned nothing yet. Weights are drawn in float32 on the CPU from one generator,
// in the order of the module's layers, so that a seed gives the same model on every device and with
// any number of threads.
#pragma once

#include <ATen/core/Generator.h>

#include <memory>

#include "models/autoencoder.h"
#include "models/resnet.h"
#include "models/text_encoder.h"
#include "models/unet.h"

namespace latentray {

// What torch::nn's layers draw: Kaiming's uniform distribution with a = √5 for linear layers and
// convolutions, ones and zeros for norms, a standard normal distribution for embeddings.
void draw_weights(torch::nn::Module& module, const at::Generator& generator);

// In evaluation mode, on `device`. ERR_CONFIG_INVALID as when the model of the config is loaded.
UNet2DConditionModel create_unet(const Config& config, uint64_t seed, at::Device device);
std::shared_ptr<ResNet> create_resnet(const Config& config, uint64_t seed, at::Device device);
std::shared_ptr<Autoencoder> create_autoencoder(const Config& config, uint64_t seed,
                                                at::Device device);

// Normal distributions of the deviations that transformers draws from: CLIP's follow from its width
// and depth (`initializer_factor`), those of BERT and RoBERTa are `initializer_range`. Biases are
// zero, and so are BERT's and RoBERTa's embeddings of padding. CXR-BERT has its projection head,
// the other BERTs have a pooler, and CLIP has a projection where `architectures` says so. Checked
// against transformers' CLIPPreTrainedModel and PreTrainedModel, _init_weights.
std::shared_ptr<TextEncoder> create_text_encoder(const Config& config, uint64_t seed,
                                                 at::Device device);

}  // namespace latentray
