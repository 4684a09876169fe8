// Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016): torchvision's
// network, and the one of 2015 that FID is defined by (Heusel et al., 2017), which pools
// differently. Checked against torchvision's models/inception.py and torch-fidelity's
// feature_extractor_inceptionv3.py.
#pragma once

#include "models/feature_network.h"
#include "weights/state_dict.h"

namespace latentray {

// How images come to 299 × 299: figures differ by it.
enum class InceptionResize {
  kCleanFid,    // bicubic with antialiasing, as PIL; Parmar et al., "On Aliased Resizing" (2022)
  kPytorchFid,  // bilinear without antialiasing, pixels' centres at half
  kTensorflow,  // bilinear without antialiasing, pixels' corners at whole numbers (torch-fidelity)
};

// The FID network has 1008 classes, torchvision's 1000: told by the file. The layers are "64",
// "192", "768", "2048" (averages over space) and "logits" (without the bias where it is FID's).
// ERR_WEIGHTS_….
std::shared_ptr<FeatureNetwork> load_inception_v3(StateDict state, InceptionResize resize,
                                                  const LoadOptions& options);

}  // namespace latentray
