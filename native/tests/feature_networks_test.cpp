#include <cmath>
#include <nlohmann/json.hpp>

#include "core/cancellation.h"
#include "models/densenet.h"
#include "models/inception_v3.h"
#include "tests/check.h"

namespace latentray::test::feature_networks_test {

uint32_t crc32(const std::string& text) {
  uint32_t crc = ~0U;
  for (const unsigned char byte : text) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320U & (~(crc & 1U) + 1U));
  }
  return ~crc;
}

at::Tensor parameter(const std::string& name, const std::vector<int64_t>& shape, int64_t salt) {
  if (name.ends_with("num_batches_tracked")) return at::zeros({}, at::kLong);
  const auto seed = (static_cast<uint64_t>(crc32(name)) + salt) % (uint64_t{1} << 31);
  const auto generator = at::detail::createCPUGenerator(seed);
  if (name.ends_with("running_var")) return 0.5 + at::rand(shape, generator);
  const at::Tensor noise = at::randn(shape, generator);
  if (name.ends_with("running_mean")) return 0.1 * noise;
  if (shape.size() == 1) return name.ends_with("weight") ? 1 + 0.1 * noise : 0.1 * noise;
  return noise * std::sqrt(2.0 / (static_cast<double>(noise.numel()) / shape[0]));
}

// The recipe that the case's file describes.
StateDict weights_of(const StateDict& golden_case) {
  StateDict state;
  state.origin = "recipe";
  const auto salt = std::stoll(golden_case.metadata.at("salt"));
  const auto shapes = nlohmann::json::parse(golden_case.metadata.at("parameters"))
                          .get<std::map<std::string, std::vector<int64_t>>>();
  for (const auto& [name, shape] : shapes) state.tensors[name] = parameter(name, shape, salt);
  return state;
}

TEST("feature networks: FID's Inception v3 equals the reference, layer by layer") {
  const StateDict reference = read_safetensors(golden("networks/inception_fid.safetensors"));
  const auto network = load_inception_v3(weights_of(reference), InceptionResize::kTensorflow, {});
  const at::Tensor pixels = reference.tensors.at("pixels_uint8").to(at::kFloat) / 255;
  const auto found = network->forward(network->prepare(pixels));
  for (const std::string layer : {"64", "192", "768", "2048"}) {
    expect_close(found.at(layer), reference.tensors.at("features." + layer), 1e-4, layer);
  }
  expect_close(found.at("logits"), reference.tensors.at("features.logits_unbiased"), 1e-4,
               "logits");
  expect(network->classes() == 1008, "classes");
  expect_close(network->probabilities(found.at("logits")).sum(1), at::ones({2}), 1e-6, "softmax");
}

TEST("feature networks: how images come to 299 pixels decides the features") {
  const StateDict reference = read_safetensors(golden("networks/inception_fid.safetensors"));
  const at::Tensor pixels = reference.tensors.at("pixels_uint8").to(at::kFloat) / 255;
  const auto prepared = [&](InceptionResize resize) {
    return load_inception_v3(weights_of(reference), resize, {})->prepare(pixels);
  };
  const at::Tensor clean = prepared(InceptionResize::kCleanFid);
  const at::Tensor pytorch = prepared(InceptionResize::kPytorchFid);
  const at::Tensor tensorflow = prepared(InceptionResize::kTensorflow);
  for (const auto& each : {clean, pytorch, tensorflow}) {
    expect(each.sizes() == at::IntArrayRef({2, 3, 299, 299}), "size");
    expect(each.abs().max().item<double>() <= 1.0001, "range");
  }
  expect((clean - pytorch).abs().max().item<double>() > 0.01, "clean-fid, pytorch-fid");
  expect((tensorflow - pytorch).abs().max().item<double>() > 0.01, "TensorFlow, pytorch-fid");
}

TEST("feature networks: torchvision's Inception v3 differs from FID's where they pool") {
  const StateDict reference = read_safetensors(golden("networks/inception_fid.safetensors"));
  StateDict state = weights_of(reference);
  const auto of_fid = load_inception_v3(state, InceptionResize::kPytorchFid, {});
  state.tensors["fc.weight"] = state.tensors.at("fc.weight").narrow(0, 0, 1000);
  state.tensors["fc.bias"] = state.tensors.at("fc.bias").narrow(0, 0, 1000);
  state.tensors["AuxLogits.fc.weight"] = at::zeros({1000, 768});
  const auto of_torchvision = load_inception_v3(state, InceptionResize::kPytorchFid, {});
  const at::Tensor pixels = reference.tensors.at("pixels_uint8").to(at::kFloat) / 255;
  const auto fid = of_fid->forward(of_fid->prepare(pixels));
  const auto torchvision = of_torchvision->forward(of_torchvision->prepare(pixels));
  expect_close(torchvision.at("192"), fid.at("192"), 0, "the same before the blocks");
  expect((torchvision.at("768") - fid.at("768")).norm().item<double>() > 1e-3, "not after");
  expect(of_torchvision->classes() == 1000, "classes");
  const at::Tensor biased = at::linear(torchvision.at("2048"), state.tensors.at("fc.weight"),
                                       state.tensors.at("fc.bias"));
  expect_close(torchvision.at("logits"), biased, 1e-6, "logits have their bias");
}

TEST("feature networks: torchxrayvision's DenseNet-121 equals the reference") {
  const StateDict reference = read_safetensors(golden("networks/densenet121_xrv.safetensors"));
  const auto network = load_densenet(weights_of(reference), {});
  const auto found = network->forward(reference.tensors.at("pixels"));
  expect_close(found.at("features"), reference.tensors.at("features2"), 1e-4, "features");
  expect_close(found.at("logits"), reference.tensors.at("logits"), 1e-4, "logits");
  const at::Tensor unit = (reference.tensors.at("pixels") + 1024) / 2048;
  expect_close(network->prepare(unit), reference.tensors.at("pixels"), 1e-5, "[0, 1] → ±1024");
  expect(network->options().block_config == std::vector<int64_t>({6, 12, 24, 16}), "blocks");
  expect(network->classes() == 18, "classes");
}

TEST("feature networks: thresholds move to 0.5") {
  const StateDict reference = read_safetensors(golden("networks/densenet121_xrv.safetensors"));
  StateDict state = weights_of(reference);
  const at::Tensor logits = at::logit(at::tensor({0.1, 0.2, 0.6}, at::kDouble)).to(at::kFloat);
  const at::Tensor rows = logits.unsqueeze(1).expand({3, 18});
  expect_close(load_densenet(state, {})->probabilities(rows), at::sigmoid(rows), 0, "none");
  at::Tensor thresholds = at::full({18}, 0.2);
  thresholds[17] = NAN;
  state.tensors["op_threshs"] = thresholds;
  const at::Tensor moved = load_densenet(state, {})->probabilities(rows);
  const at::Tensor expected = at::tensor({0.25, 0.5, 0.75}, at::kFloat);
  expect_close(moved.select(1, 0), expected, 1e-6, "0.2 is the threshold");
  expect_close(moved.select(1, 17), at::full({3}, 0.5), 0, "no threshold");
  state.tensors["op_threshs"] = at::zeros({17});
  expect_error("ERR_WEIGHTS_SHAPE", [&] { load_densenet(state, {}); });
}

TEST("feature networks: torchvision's old names of layers are understood") {
  const StateDict reference = read_safetensors(golden("networks/densenet121_xrv.safetensors"));
  StateDict old = weights_of(reference);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [current, tensor] : old.tensors) {
    std::string name = current;
    for (const std::string part : {"norm1.", "norm2.", "conv1.", "conv2."}) {
      const auto at =
          name.find("denselayer") == std::string::npos ? std::string::npos : name.find("." + part);
      if (at != std::string::npos) name.insert(at + 5, ".");
    }
    tensors[name] = tensor;
  }
  expect(tensors.contains("features.denseblock1.denselayer1.norm.1.weight"), "old names");
  old.tensors = tensors;
  const auto found = load_densenet(old, {})->forward(reference.tensors.at("pixels"));
  expect_close(found.at("logits"), reference.tensors.at("logits"), 1e-4, "logits");
}

TEST("feature networks: other checkpoints and inputs are refused by name") {
  const StateDict reference = read_safetensors(golden("networks/densenet121_xrv.safetensors"));
  StateDict state = weights_of(reference);
  const auto network = load_densenet(state, {});
  expect_error("ERR_SHAPE", [&] { network->prepare(at::zeros({1, 2, 8, 8})); });
  expect_error("ERR_SHAPE", [&] { network->prepare(at::zeros({3, 8, 8})); });
  expect_error("ERR_DTYPE", [&] { network->prepare(at::zeros({1, 1, 8, 8}, at::kByte)); });
  expect_error("ERR_NON_FINITE", [&] { network->prepare(at::full({1, 1, 8, 8}, NAN)); });
  expect_error("ERR_INVALID_ARG", [&] { network->prepare(at::full({1, 1, 8, 8}, 255.0)); });
  expect_error("ERR_WEIGHTS_MISSING_KEY",
               [&] { load_inception_v3(state, InceptionResize::kCleanFid, {}); });
  state.tensors.erase("classifier.weight");
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load_densenet(state, {}); });
}

TEST("feature networks: bfloat16 stays within 2e-2") {
  const StateDict reference = read_safetensors(golden("networks/densenet121_xrv.safetensors"));
  LoadOptions options;
  options.dtype = at::kBFloat16;
  const auto network = load_densenet(weights_of(reference), options);
  const auto found = network->forward(reference.tensors.at("pixels").to(at::kBFloat16));
  expect_close(found.at("features"), reference.tensors.at("features2"), 2e-2, "features");
}

TEST("feature networks: a fired token stops a forward pass") {
  const StateDict reference = read_safetensors(golden("networks/densenet121_xrv.safetensors"));
  const auto network = load_densenet(weights_of(reference), {});
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  bool stopped = false;
  try {
    network->forward(reference.tensors.at("pixels"));
  } catch (const Cancelled&) {
    stopped = true;
  }
  expect(stopped, "stopped");
}

}  // namespace latentray::test::feature_networks_test
