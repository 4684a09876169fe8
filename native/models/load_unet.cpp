#include "models/load_unet.h"

#include "nn/module_parameters.h"

namespace latentray {

UNet2DConditionModel load_unet(const Config& config, const StateDict& state,
                               const LoadOptions& options) {
  UNet2DConditionModel model(UNet2DConditionOptions::from_config(config));
  load_state_dict(*model, state, options);
  if (options.device.is_cuda()) nn::use_channels_last(*model);
  model->eval();
  return model;
}

}  // namespace latentray
