// The safetensors format: an 8-byte length, a JSON header, the tensors' bytes.
// Reference: huggingface/safetensors, "Format".
#pragma once

#include <memory>
#include <string>

#include "core/mapped_file.h"
#include "weights/state_dict.h"

namespace latentray {

// Tensors over the mapped file: nothing is read before it is used, and the map lives as long as any
// tensor over it. ERR_WEIGHTS_CORRUPT names what is wrong with a bad file.
StateDict read_safetensors(const std::string& path);
StateDict read_safetensors(const std::shared_ptr<MappedFile>& file);

// Writes to a temporary file beside `path`, then renames it. Tensors are written in the order that
// the reference writer uses (alignment descending, then name).
void write_safetensors(const std::string& path, const StateDict& state);

}  // namespace latentray
