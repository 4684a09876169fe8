#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/resnet.h"
#include "tests/check.h"
#include "training/classifier_trainer.h"

namespace latentray::test::classifier_test {

constexpr const char* kConfig =
    R"({"image_size": 32, "num_labels": 3, "embedding_size": 4, "hidden_sizes": [4, 8], "depths": [2, 1]})";

struct Golden {
  StateDict recorded = read_safetensors("test/golden/classifier.safetensors");

  std::shared_ptr<ResNet> network() const {
    StateDict weights;
    for (const auto& [name, tensor] : recorded.tensors) {
      const std::string prefix = "weights.";
      if (name.starts_with(prefix)) weights.tensors[name.substr(prefix.size())] = tensor.clone();
    }
    return load_resnet(Config::parse(kConfig, "config"), weights, {});
  }
  const at::Tensor& operator[](const std::string& name) const { return recorded.tensors.at(name); }
};

TEST("classifier: the network equals PyTorch's in evaluation") {
  const Golden golden;
  const at::NoGradGuard no_grad;
  const auto found = golden.network()->forward(golden["pixels"]);
  expect_close(found.at("features"), golden["eval.features"], 1e-5, "features");
  expect_close(found.at("logits"), golden["eval.logits"], 1e-5, "logits");
}

// The network's own prepare() takes other pixels than the recorded ones.
class Unprepared : public ResNet {
 public:
  using ResNet::ResNet;
  at::Tensor pixels;
  at::Tensor prepare(const at::Tensor&) const override { return pixels; }
};

TEST("classifier: a training pass equals PyTorch's, labels that are not known left out") {
  const Golden golden;
  auto network =
      std::make_shared<Unprepared>(ResNetOptions::from_config(Config::parse(kConfig, "config")));
  network->pixels = golden["pixels"];
  load_state_dict(*network, state_of(*golden.network()), {});
  network->eval();

  ClassifierTrainerOptions options;
  const auto& weights = golden["pos_weight"];
  options.pos_weight.emplace();
  for (int64_t i = 0; i < weights.numel(); ++i) {
    options.pos_weight->push_back(weights[i].item<double>());
  }
  ClassifierTrainer trainer(network, options);
  const LabelledBatch batch{at::zeros({4, 1, 32, 32}), golden["labels"], {0, 1, 2, 3}};
  const auto losses = trainer.accumulate(batch, 0, 1);
  expect_close(at::tensor({losses.total}), golden["train.loss"].to(at::kDouble), 1e-5, "loss");
  for (const auto& entry : network->named_parameters()) {
    const auto& name = entry.key();
    if (name.ends_with("running_mean") || name.ends_with("running_var")) {
      expect_close(entry.value().detach(), golden["after." + name], 1e-5, name);
    } else {
      expect_close(entry.value().grad(), golden["gradient." + name], 2e-4, "gradient of " + name);
    }
  }
  expect(!network->is_training(), "evaluates again");
  const LabelledBatch unknown{batch.pixels, at::full({4, 3}, NAN), {0, 1, 2, 3}};
  trainer.update(0.1);
  expect_error("ERR_INVALID_ARG", [&] { trainer.accumulate(unknown, 1, 1); });
  const LabelledBatch narrow{batch.pixels, at::zeros({4, 2}), {0, 1, 2, 3}};
  expect_error("ERR_SHAPE", [&] { trainer.accumulate(narrow, 1, 1); });
}

TEST("classifier: images are moved by the seed, the step and their number") {
  const auto losses_of = [](uint64_t seed, std::vector<uint64_t> numbers) {
    const Golden golden;
    ClassifierTrainerOptions options;
    options.augmentation = {10, 0.1, 0.1};
    options.seed = seed;
    ClassifierTrainer trainer(golden.network(), options);
    const auto pixels = (golden["pixels"] * 0.3).clamp(-1, 1);
    return trainer.accumulate({pixels, golden["labels"], std::move(numbers)}, 0, 1).total;
  };
  const double first = losses_of(1, {0, 1, 2, 3});
  expect(losses_of(1, {0, 1, 2, 3}) == first, "the same again");
  expect(losses_of(2, {0, 1, 2, 3}) != first, "another seed");
  expect(losses_of(1, {4, 5, 6, 7}) != first, "other numbers");
}

}  // namespace latentray::test::classifier_test
