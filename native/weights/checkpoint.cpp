#include "weights/checkpoint.h"

#include <string_view>

#include "core/error.h"
#include "core/read_ahead.h"
#include "weights/corrupt.h"
#include "weights/pytorch_file.h"
#include "weights/safetensors.h"

namespace latentray {

namespace {

bool begins_with(const MappedFile& file, std::string_view beginning) {
  return std::string_view(file.data(), file.size()).substr(0, beginning.size()) == beginning;
}

void refuse_mix_ups(const MappedFile& file) {
  if (begins_with(file, "version https://git-lfs")) {
    corrupt(file.path(), "is a Git LFS pointer, not the weights. Run `git lfs pull` in its folder");
  }
  if (begins_with(file, "<!DOCTYPE") || begins_with(file, "<html")) {
    corrupt(file.path(), "is a web page, not the weights. Download the file itself");
  }
}

}  // namespace

StateDict read_checkpoint(const std::string& path) {
  const auto file = MappedFile::open(path);
  const bool is_pytorch = is_pytorch_file(*file);
  if (!is_pytorch) refuse_mix_ups(*file);
  StateDict state = is_pytorch ? read_pytorch_file(file) : read_safetensors(file);
  read_ahead(file);
  return state;
}

StateDict read_checkpoint(const std::vector<std::string>& paths) {
  LATENTRAY_CHECK(!paths.empty(), "ERR_MODEL_NOT_FOUND", "weights: expected at least one file");
  StateDict all = read_checkpoint(paths.front());
  for (size_t i = 1; i < paths.size(); ++i) {
    StateDict shard = read_checkpoint(paths[i]);
    for (auto& [name, tensor] : shard.tensors) {
      const bool added = all.tensors.emplace(name, std::move(tensor)).second;
      if (!added) corrupt(paths[i], "tensor '" + name + "' is in another shard too");
    }
  }
  return all;
}

}  // namespace latentray
