// What a run changes of a model: the module as a whole, an adapter beside its weights, or single
// rows of its token embedding. Each makes itself ready for gradients when it is made, and leaves
// the module without any when it is destroyed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/lora.h"
#include "models/text_encoder.h"
#include "training/named_parameters.h"

namespace latentray {

class TrainedModule {
 public:
  // `name` of the part in messages and before its parameters' names. ERR_DTYPE unless it is
  // float32, ERR_INVALID_ARG where adapters are in its weights or it is being trained already.
  TrainedModule(std::string name, std::shared_ptr<torch::nn::Module> module);
  ~TrainedModule();
  TrainedModule(const TrainedModule&) = delete;
  TrainedModule& operator=(const TrainedModule&) = delete;

  NamedParameters parameters() const { return parameters_; }

 private:
  NamedParameters parameters_;
};

// The adapter is gone when this is destroyed.
class TrainedLora {
 public:
  // The errors of add_trained_lora.
  TrainedLora(Part part, std::shared_ptr<torch::nn::Module> module, const NewLora& lora,
              uint64_t seed);
  ~TrainedLora();
  TrainedLora(const TrainedLora&) = delete;
  TrainedLora& operator=(const TrainedLora&) = delete;

  // By the keys of diffusers' file.
  NamedParameters parameters() const;
  void save(StateDict& state) const { save_lora_layers(state, part_, layers_); }

 private:
  Part part_;
  std::shared_ptr<torch::nn::Module> module_;
  std::map<std::string, LoraLayer> layers_;
};

// The rows are written into the table when this is destroyed.
class TrainedTokens {
 public:
  // Ids by token. ERR_INVALID_ARG for an id that the table lacks or that is there twice, and where
  // rows are being learned already.
  TrainedTokens(std::shared_ptr<TextEncoder> encoder,
                const std::map<std::string, std::vector<int64_t>>& tokens);
  ~TrainedTokens();
  TrainedTokens(const TrainedTokens&) = delete;
  TrainedTokens& operator=(const TrainedTokens&) = delete;

  // "tokens.<token>", [vectors, C] float32 each.
  NamedParameters parameters() const;
  const std::map<std::string, at::Tensor>& rows() const { return rows_; }

 private:
  std::shared_ptr<TextEncoder> encoder_;
  std::map<std::string, std::vector<int64_t>> ids_;
  std::map<std::string, at::Tensor> rows_;
};

}  // namespace latentray
