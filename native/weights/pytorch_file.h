// Checkpoints as torch.save writes them: a zip archive with a pickle and one entry a storage, or
// the form before PyTorch 1.6, a row of pickles with the storages behind them. Reference:
// torch/serialization.py.
#pragma once

#include <memory>

#include "core/mapped_file.h"
#include "weights/state_dict.h"

namespace latentray {

bool is_pytorch_file(const MappedFile& file);

// The tensors of the file's dict, over the mapped file; of a nested checkpoint those under
// "state_dict" or its like. Texts and numbers beside them become metadata. ERR_WEIGHTS_UNSAFE names
// what is more than tensors and plain containers, ERR_WEIGHTS_CORRUPT what is broken.
StateDict read_pytorch_file(const std::shared_ptr<MappedFile>& file);

}  // namespace latentray
