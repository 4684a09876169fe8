#include "training/trained_parts.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <set>

#include "core/dtype.h"
#include "core/error.h"

namespace latentray {

namespace {

// No name that a user can give: theirs have a character at least.
constexpr const char* kAdapter = "";

void stop_training(const NamedParameters& parameters) {
  forget_gradients(parameters);
  for (const auto& [name, parameter] : parameters) parameter.requires_grad_(false);
}

at::Tensor index_of(const std::vector<int64_t>& ids, const at::Tensor& table) {
  return at::tensor(ids, at::kLong).to(table.device());
}

}  // namespace

TrainedModule::TrainedModule(std::string name, std::shared_ptr<torch::nn::Module> module) {
  require_unfused(*module);
  for (const auto& entry : module->named_parameters()) {
    const auto& parameter = entry.value();
    LATENTRAY_CHECK(
        parameter.scalar_type() == at::kFloat, "ERR_DTYPE", name,
        ": expected float32 to train it whole, found ", dtype_name(parameter.scalar_type()),
        ". Load it with dtype 'float32', and train with precision 'bfloat16' for speed");
    LATENTRAY_CHECK(!parameter.requires_grad(), "ERR_INVALID_ARG", name,
                    ": expected a part that no other trainer trains. Dispose of that one first");
    parameters_.emplace_back(name + "." + entry.key(), parameter);
  }
  for (const auto& [key, parameter] : parameters_) parameter.requires_grad_(true);
}

TrainedModule::~TrainedModule() { stop_training(parameters_); }

TrainedLora::TrainedLora(Part part, std::shared_ptr<torch::nn::Module> module, const NewLora& lora,
                         uint64_t seed)
    : part_(part),
      module_(std::move(module)),
      layers_(add_trained_lora(*module_, kAdapter, lora, seed)) {}

TrainedLora::~TrainedLora() { remove_lora(*module_, kAdapter); }

NamedParameters TrainedLora::parameters() const {
  NamedParameters parameters;
  for (const auto& [module, layer] : layers_) {
    const LoraKeys keys = lora_keys(part_, module);
    parameters.emplace_back(keys.down, layer.down);
    parameters.emplace_back(keys.up, layer.up);
  }
  return parameters;
}

TrainedTokens::TrainedTokens(std::shared_ptr<TextEncoder> encoder,
                             const std::map<std::string, std::vector<int64_t>>& tokens)
    : encoder_(std::move(encoder)), ids_(tokens) {
  auto embedding = encoder_->token_embedding();
  LATENTRAY_CHECK(
      embedding->learned_rows.empty(), "ERR_INVALID_ARG",
      "tokens: expected a text encoder that no other trainer teaches tokens. Dispose of "
      "that one first");
  std::vector<int64_t> all;
  std::set<int64_t> seen;
  for (const auto& [token, ids] : ids_) {
    for (const int64_t id : ids) {
      LATENTRAY_CHECK(id < embedding->weight.size(0), "ERR_INVALID_ARG", "tokens: '", token,
                      "': expected ids below ", embedding->weight.size(0),
                      ", the rows of the token embedding, found ", id,
                      ". Load what the token begins with as learned embeddings first");
      LATENTRAY_CHECK(seen.insert(id).second, "ERR_INVALID_ARG", "tokens: '", token,
                      "': expected each id once, found ", id, " again");
    }
    const auto rows = embedding->weight.detach().index_select(0, index_of(ids, embedding->weight));
    rows_[token] = rows.to(at::kFloat).requires_grad_();
    all.insert(all.end(), ids.begin(), ids.end());
  }
  std::vector<at::Tensor> rows;
  for (const auto& [token, tensor] : rows_) rows.push_back(tensor);
  embedding->learned_rows.set(index_of(all, embedding->weight), rows);
}

TrainedTokens::~TrainedTokens() {
  const at::NoGradGuard no_grad;
  auto embedding = encoder_->token_embedding();
  embedding->learned_rows.clear();
  auto table = embedding->weight.detach();
  for (const auto& [token, ids] : ids_) {
    // Someone may have taken the token out of the table meanwhile.
    if (*std::max_element(ids.begin(), ids.end()) >= table.size(0)) continue;
    table.index_copy_(0, index_of(ids, table), rows_[token].detach().to(table.scalar_type()));
  }
}

NamedParameters TrainedTokens::parameters() const {
  NamedParameters parameters;
  for (const auto& [token, rows] : rows_) parameters.emplace_back("tokens." + token, rows);
  return parameters;
}

}  // namespace latentray
