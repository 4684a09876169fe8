// The layout in which TAESD and its relatives (TAESDXL, TAESD3, TAEF1, TAEF2) are published beside
// diffusers: an encoder file and a decoder file whose keys are the bare numbers of the layers, and
// no config. Checked against taesd.py in github.com/madebyollin/taesd (Encoder, Decoder, Block).
#pragma once

#include <string>

#include "models/autoencoder_tiny.h"

namespace latentray {

// The architecture follows from the keys and shapes; every such file is for pixels of three
// channels.
AutoencoderTinyOptions taesd_options(const StateDict& encoder, const StateDict& decoder);

// The two files' tensors under AutoencoderTiny's keys.
StateDict taesd_keys(const StateDict& encoder, const StateDict& decoder);

// From the files' tensors, in evaluation mode. ERR_WEIGHTS_MISSING_KEY, ERR_WEIGHTS_UNEXPECTED_KEY
// or ERR_WEIGHTS_SHAPE for files that are not of this layout.
std::shared_ptr<AutoencoderTinyImpl> load_taesd(const StateDict& encoder, const StateDict& decoder,
                                                const LoadOptions& options);

}  // namespace latentray
