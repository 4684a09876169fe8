// A checkpoint of whichever kind, told by its content and not by its name.
#pragma once

#include <string>
#include <vector>

#include "weights/state_dict.h"

namespace latentray {

// safetensors, or what torch.save writes (zip and older form). ERR_WEIGHTS_CORRUPT for anything
// else, by name where it is a known mix-up (a Git LFS pointer, a web page).
StateDict read_checkpoint(const std::string& path);

// The shards of one checkpoint as one dictionary.
StateDict read_checkpoint(const std::vector<std::string>& paths);

}  // namespace latentray
