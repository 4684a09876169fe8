#include "nn/gradient_checkpointing.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <optional>
#include <thread>

#include "core/cancellation.h"
#include "models/bert.h"
#include "models/clip_text.h"
#include "models/text_encoder.h"
#include "models/unet.h"
#include "tests/check.h"
#include "training/autocast.h"

namespace latentray::test::gradient_checkpointing_test {

using at::Tensor;
using Gradients = std::map<std::string, Tensor>;

constexpr const char* kUNet = R"({
  "in_channels": 4, "out_channels": 4, "sample_size": 8, "block_out_channels": [32, 64],
  "layers_per_block": 2, "cross_attention_dim": 32, "attention_head_dim": 4, "norm_num_groups": 8,
  "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
  "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]})";
constexpr const char* kClip = R"({
  "model_type": "clip_text_model", "vocab_size": 99, "hidden_size": 32, "intermediate_size": 64,
  "num_hidden_layers": 3, "num_attention_heads": 4, "eos_token_id": 98})";
constexpr const char* kBert = R"({
  "model_type": "bert", "vocab_size": 99, "hidden_size": 32, "intermediate_size": 64,
  "num_hidden_layers": 3, "num_attention_heads": 4})";

StateDict drawn_weights(const torch::nn::Module& module) {
  StateDict state;
  for (const auto& entry : module.named_parameters()) {
    state.tensors[entry.key()] = at::randn(entry.value().sizes()) * 0.1;
  }
  return state;
}

void train(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.requires_grad_(true);
}

// A text encoder and the U-Net that it conditions.
struct Models {
  explicit Models(const char* encoder_config)
      : unet(UNet2DConditionOptions::from_config(Config::parse(kUNet, "unet"))),
        encoder(drawn_encoder(Config::parse(encoder_config, "encoder"))) {
    load_state_dict(*unet, drawn_weights(*unet), {});
  }

  static std::shared_ptr<TextEncoder> drawn_encoder(const Config& config) {
    StateDict state;
    if (config.string("model_type", "") == "clip_text_model") {
      state = drawn_weights(CLIPTextModelImpl(CLIPTextOptions::from_config(config, {})));
    } else {
      state = drawn_weights(BertModelImpl(bert_options(config, {})));
    }
    return load_text_encoder(config, state, {});
  }

  void checkpoint(bool active) {
    unet->set_gradient_checkpointing(active);
    encoder->set_gradient_checkpointing(active);
  }

  Tensor loss(at::ScalarType precision = at::kFloat) {
    const Autocast autocast(at::kCPU, precision);
    TextInputs inputs;
    inputs.input_ids = at::arange(2 * 7).view({2, 7}) * 5;
    inputs.attention_mask = at::ones({2, 7}, at::kLong);
    inputs.attention_mask->narrow(1, 5, 2).zero_();
    const auto states = encoder->forward(inputs).last_hidden_state.to(at::kFloat);
    const auto sample = at::arange(2 * 4 * 64, at::kFloat).sin().view({2, 4, 8, 8});
    UNetConditions conditions;
    conditions.encoder_attention_mask = inputs.attention_mask;
    return unet(sample, at::tensor({3, 700}), states, conditions).to(at::kFloat).square().mean();
  }

  // By name, taken out of the models.
  Gradients take_gradients() {
    Gradients gradients;
    for (auto* module : {static_cast<torch::nn::Module*>(unet.get()),
                         static_cast<torch::nn::Module*>(encoder.get())}) {
      for (auto& entry : module->named_parameters()) {
        const Tensor gradient = entry.value().grad();
        if (gradient.defined()) gradients[entry.key()] = gradient;
        entry.value().mutable_grad().reset();
      }
    }
    return gradients;
  }

  UNet2DConditionModel unet;
  std::shared_ptr<TextEncoder> encoder;
};

Gradients gradients_of(Models& models, bool checkpoint, at::ScalarType precision = at::kFloat) {
  const at::AutoGradMode with_grad(true);
  models.checkpoint(checkpoint);
  models.loss(precision).backward();
  return models.take_gradients();
}

void expect_equal(const Gradients& actual, const Gradients& expected) {
  expect(!expected.empty() && actual.size() == expected.size(), "the same parameters");
  for (const auto& [name, tensor] : expected) expect(actual.at(name).equal(tensor), name);
}

TEST("gradient checkpointing: gradients are the same bit for bit") {
  for (const char* config : {kClip, kBert}) {
    Models models(config);
    train(*models.unet);
    train(*models.encoder);
    for (const auto precision : {at::kFloat, at::kBFloat16}) {
      const auto plain = gradients_of(models, false, precision);
      expect(plain.size() > 200, "every part has gradients");
      expect_equal(gradients_of(models, true, precision), plain);
    }
  }
}

TEST("gradient checkpointing: a parameter inside trains where all that enters is frozen") {
  Models models(kClip);
  const std::string name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v.weight";
  models.unet->named_parameters()[name].requires_grad_(true);
  const auto plain = gradients_of(models, false);
  expect(plain.size() == 1 && plain.at(name).norm().item<double>() > 0, "it alone");
  expect_equal(gradients_of(models, true), plain);
}

TEST("gradient checkpointing: what is frozen throughout, or not recorded, is computed once") {
  int calls = 0;
  const nn::Block twice = [&](const std::vector<Tensor>& inputs) {
    ++calls;
    return inputs[0] * 2;
  };
  const at::AutoGradMode with_grad(true);
  expect(!nn::run_block(true, {at::ones({2})}, twice).requires_grad(), "frozen");
  const auto input = at::ones({2}).requires_grad_(true);
  {
    const at::NoGradGuard no_grad;
    nn::run_block(true, {input}, twice);
  }
  expect(calls == 2, "once each");
  nn::run_block(true, {input}, twice).sum().backward();
  expect(calls == 4 && input.grad().equal(at::full({2}, 2.0)), "again in the backward pass");
}

TEST("gradient checkpointing: what a block computes on the way is freed") {
  std::optional<c10::weak_intrusive_ptr<c10::StorageImpl>> inner;
  const nn::Block block = [&](const std::vector<Tensor>& inputs) {
    const auto exponential = inputs[0].exp();  // whose backward needs it
    inner.emplace(exponential.storage().getWeakStorageImpl());
    return exponential.square();
  };
  const at::AutoGradMode with_grad(true);
  const auto input = at::ones({2}).requires_grad_(true);
  const auto kept = nn::run_block(false, {input}, block);
  expect(!inner->expired(), "kept without checkpointing");
  const auto checkpointed = nn::run_block(true, {input}, block);
  expect(inner->expired(), "freed");
}

class Count : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit Count(int& count) : count_(count) {}
  void operator()(const torch::autograd::Variable&) override { ++count_; }

 private:
  int& count_;
};

TEST("gradient checkpointing: a parameter's gradient is ready once a pass") {
  Models models(kClip);
  train(*models.unet);
  models.checkpoint(true);
  auto parameters = models.unet->parameters();
  std::vector<int> counts(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameters[i],
                                                   std::make_unique<Count>(counts[i]));
  }
  const at::AutoGradMode with_grad(true);
  for (int pass = 1; pass <= 2; ++pass) {
    models.loss().backward();
    for (const int count : counts) expect(count == pass, c10::str(count, " in pass ", pass));
  }
}

TEST("gradient checkpointing: autocast holds in a backward pass on another thread") {
  Models models(kClip);
  train(*models.unet);
  const auto plain = gradients_of(models, false, at::kBFloat16);
  const at::AutoGradMode with_grad(true);
  models.checkpoint(true);
  const auto loss = models.loss(at::kBFloat16);
  std::thread([&] { loss.backward(); }).join();
  expect_equal(models.take_gradients(), plain);
  expect(!at::autocast::is_autocast_enabled(at::kCPU), "off again");
}

TEST("gradient checkpointing: the backward pass stops where its own thread is cancelled") {
  Models models(kClip);
  train(*models.unet);
  models.checkpoint(true);
  const at::AutoGradMode with_grad(true);
  CancelToken token;
  const auto loss = models.loss();
  token.cancel();
  bool cancelled = false;
  try {
    const CancelScope scope(&token);
    loss.backward();
  } catch (const Cancelled&) {
    cancelled = true;
  }
  expect(cancelled, "cancelled");
  models.take_gradients();
  expect(gradients_of(models, true).size() > 100, "the next pass is whole");
}

}  // namespace latentray::test::gradient_checkpointing_test
