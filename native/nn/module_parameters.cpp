#include "nn/module_parameters.h"

#include <ATen/ATen.h>

namespace latentray::nn {

at::Tensor first_parameter(const torch::nn::Module& module) {
  const auto own = module.parameters(/*recurse=*/false);
  if (!own.empty()) return own.front();
  for (const auto& child : module.children()) {
    const at::Tensor found = first_parameter(*child);
    if (found.defined()) return found;
  }
  return {};
}

void use_channels_last(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

}  // namespace latentray::nn
