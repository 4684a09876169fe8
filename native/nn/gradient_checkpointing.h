// Gradient checkpointing: a block keeps its inputs alone, and is computed again when the backward
// pass reaches it. Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016). Checked
// against PyTorch's torch/utils/checkpoint.py (its reentrant form).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace latentray::nn {

// A block of a network as a function of the tensors that gradients flow to. It gives the same
// result each time (no dropout), and keeps alive what it computes with.
using Block = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

// The block's output. With `checkpoint`, and while gradients are recorded, what the block computes
// on the way is not kept; gradients are bit for bit those without it.
//
// The backward pass of a checkpointed block is a pass of its own inside the whole one: it adds to
// the gradients of the block's parameters (for backward(), not for grad()), and takes autocast as
// the forward pass had it. Where the thread that runs it has a cancel token that fires, it ends
// between blocks and leaves the gradients of the later ones behind.
at::Tensor run_block(bool checkpoint, const std::vector<at::Tensor>& inputs, const Block& block);

}  // namespace latentray::nn
