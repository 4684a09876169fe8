// The five layers that every model here is made of. They differ from torch::nn's in one thing: the
// constructor leaves the parameters uninitialised (pages that nothing touches), because a
// checkpoint replaces them; torch::nn's would fill 860 million weights of a U-Net with random
// numbers first. Parameter names and shapes are PyTorch's. On the CPU, where no gradient is
// recorded, the linear layer and the convolution run on oneDNN (nn/onednn.h).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "nn/learned_rows.h"
#include "nn/low_rank.h"
#include "nn/onednn.h"

namespace latentray::nn {

using torch::Tensor;

// y = x Wᵀ + b over the last dimension.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in_features, int64_t out_features, bool bias = true);
  Tensor forward(const Tensor& x);
  // The exact GELU of forward(x), in one pass where oneDNN computes.
  Tensor forward_gelu(const Tensor& x);

  Tensor weight;  // [out, in]
  Tensor bias;    // [out], undefined without bias
  LowRankStack low_rank;

 private:
  bool runs_on_onednn(const Tensor& x) const;
};
TORCH_MODULE(Linear);

// A square convolution. The output of an inference on the CPU is channels-last.
class Conv2dImpl : public torch::nn::Module {
 public:
  Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel_size, int64_t stride = 1,
             int64_t padding = 0, bool bias = true);
  Tensor forward(const Tensor& x);

  // What the weight's copy for oneDNN takes.
  int64_t packed_bytes() const { return packed_weight_.bytes(); }

  Tensor weight;  // [out, in, k, k]
  Tensor bias;    // [out], undefined without bias
  LowRankStack low_rank;

 private:
  Tensor convolve(const Tensor& x);

  int64_t stride_;
  int64_t padding_;
  PackedConvWeight packed_weight_;
};
TORCH_MODULE(Conv2d);

class GroupNormImpl : public torch::nn::Module {
 public:
  GroupNormImpl(int64_t num_groups, int64_t num_channels, double eps);
  Tensor forward(const Tensor& x);

  Tensor weight;  // [C]
  Tensor bias;    // [C]

 private:
  int64_t num_groups_;
  double eps_;
};
TORCH_MODULE(GroupNorm);

// Normalises the last dimension.
class LayerNormImpl : public torch::nn::Module {
 public:
  explicit LayerNormImpl(int64_t features, double eps = 1e-5);
  Tensor forward(const Tensor& x);

  Tensor weight;  // [features]
  Tensor bias;    // [features]

 private:
  double eps_;
};
TORCH_MODULE(LayerNorm);

class EmbeddingImpl : public torch::nn::Module {
 public:
  EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim);
  Tensor forward(const Tensor& ids);

  Tensor weight;  // [num_embeddings, embedding_dim]
  LearnedRows learned_rows;
};
TORCH_MODULE(Embedding);

// Of all convolutions of a module: memory beside its parameters. On the thread that computes with
// it.
int64_t packed_bytes(const torch::nn::Module& module);

}  // namespace latentray::nn
