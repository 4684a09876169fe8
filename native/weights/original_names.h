// Which module of the original layout is which module of diffusers' layout.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace latentray {

// The size of a U-Net or an autoencoder, as its keys tell it.
struct BlockCounts {
  int64_t levels;
  int64_t layers;  // residual blocks a level, on the way down
  // For each upward block, whether attention lies between its residual blocks and its upsampler.
  std::vector<bool> up_attention;
};

struct ModuleName {
  std::string diffusers;
  std::string original;
};

std::vector<ModuleName> unet_modules(const BlockCounts& counts);
std::vector<ModuleName> vae_modules(const BlockCounts& counts);
// OpenCLIP's transformer, but for its fused query, key and value, and its bare parameters.
std::vector<ModuleName> open_clip_modules(int64_t layers);

// A parameter's name with its module renamed: the longest known module decides; other keys stay.
class ModuleRenaming {
 public:
  enum class Direction { kToDiffusers, kToOriginal };
  ModuleRenaming(const std::vector<ModuleName>& modules, Direction direction);
  std::string operator()(const std::string& key) const;
  // The same for the name of a module.
  std::string module(const std::string& name) const;

 private:
  std::map<std::string, std::string> names_;
};

}  // namespace latentray
