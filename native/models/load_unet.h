// A U-Net from its published config and weights.
#pragma once

#include "core/config.h"
#include "models/unet.h"
#include "weights/state_dict.h"

namespace latentray {

// In evaluation mode. The errors of UNet2DConditionOptions::from_config and of load_state_dict.
UNet2DConditionModel load_unet(const Config& config, const StateDict& state,
                               const LoadOptions& options);

}  // namespace latentray
