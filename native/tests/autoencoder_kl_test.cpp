#include "models/autoencoder_kl.h"

#include <ATen/core/grad_mode.h>

#include "core/cancellation.h"
#include "models/autoencoder_tiling.h"
#include "tests/check.h"

namespace latentray::test::autoencoder_kl_test {

LoadOptions in_dtype(at::ScalarType dtype) {
  LoadOptions options;
  options.dtype = dtype;
  return options;
}

Config config_with(const std::string& family,
                   const nlohmann::json& changes = nlohmann::json::object()) {
  auto json = nlohmann::json::parse(read_text(golden(family + "/model/vae/config.json")));
  json.update(changes);
  return Config::parse(json.dump(), family);
}

StateDict weights_of(const std::string& family) {
  return read_safetensors(golden(family + "/model/vae/diffusion_pytorch_model.safetensors"));
}

std::shared_ptr<Autoencoder> autoencoder_of(const std::string& family,
                                            const LoadOptions& options = {}) {
  return load_autoencoder(config_with(family), weights_of(family), options);
}

void check_encoder(Autoencoder& model, const std::string& family, double tolerance,
                   at::ScalarType dtype = at::kFloat) {
  const auto reference = read_safetensors(golden(family + "/vae.safetensors")).tensors;
  const auto pixels = reference.at("pixels").to(dtype);
  expect_close(model.encode_moments(pixels), reference.at("moments"), tolerance, "moments");
  const auto latents = model.encode(pixels);
  expect_close(latents.mean, reference.at("mean"), tolerance, "mean");
  expect_close(*latents.logvar, reference.at("logvar"), tolerance, "logvar");
  NoiseSource noise({77});
  expect_close(latents.sample(noise), reference.at("sample_seed77"), tolerance, "sample");
}

void check_decoder(Autoencoder& model, const std::string& family, double tolerance,
                   at::ScalarType dtype = at::kFloat) {
  const auto reference = read_safetensors(golden(family + "/vae.safetensors")).tensors;
  expect_close(model.decode(reference.at("mean").to(dtype)), reference.at("decoded"), tolerance,
               "decoded");
}

void check_against_reference(Autoencoder& model, const std::string& family) {
  check_encoder(model, family, 1e-5);
  check_decoder(model, family, 1e-5);
}

// Halves nothing and changes nothing, except that it adds what it is told to: shows the blending
// alone.
class Echo : public Autoencoder {
 public:
  explicit Echo(double step) : step_(step) {
    register_parameter("weight", at::zeros({1}), false);
    space_.downscale = 1;
    space_.latent_channels = 3;
  }
  const LatentSpace& latent_space() const override { return space_; }
  int calls() const { return calls_; }

 protected:
  at::Tensor compute_moments(const at::Tensor& pixels) override {
    return pixels + step_ * calls_++;
  }
  at::Tensor compute_pixels(const at::Tensor& latents) override {
    return latents + step_ * calls_++;
  }

 private:
  LatentSpace space_;
  double step_;
  int calls_ = 0;
};

TEST("autoencoder_kl: moments, seeded sample and decoded pixels equal the reference") {
  for (const std::string family : {"tiny-sd1", "tiny-sd2"}) {
    check_against_reference(*autoencoder_of(family), family);
  }
}

TEST("autoencoder_kl: bfloat16 and float16 stay within 2e-2") {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    check_encoder(*autoencoder_of("tiny-sd1", in_dtype(dtype)), "tiny-sd1", 2e-2, dtype);
  }
  check_decoder(*autoencoder_of("tiny-sd1", in_dtype(at::kHalf)), "tiny-sd1", 2e-2, at::kHalf);
  // Rounding these random weights to bfloat16 moves the decoded pixels by 2.5e-2 before anything is
  // computed in it; PyTorch's own bfloat16 decoder is 4.87e-2 off.
  const auto bfloat16 = autoencoder_of("tiny-sd1", in_dtype(at::kBFloat16));
  check_decoder(*bfloat16, "tiny-sd1", 5e-2, at::kBFloat16);
}

TEST("autoencoder_kl: old attention names, 1×1 convolutions included, are understood") {
  auto state = read_safetensors(golden("formats/vae-old-attention-keys.safetensors"));
  check_against_reference(*load_autoencoder(config_with("tiny-sd1"), state, {}), "tiny-sd1");
  for (auto& [key, tensor] : state.tensors) {
    const bool projects = key.find("attentions") != std::string::npos && tensor.dim() == 2;
    if (projects) tensor = tensor.unsqueeze(-1).unsqueeze(-1);
  }
  check_against_reference(*load_autoencoder(config_with("tiny-sd1"), state, {}), "tiny-sd1");
}

TEST("autoencoder_kl: channels-last weights and pixels give the same, as dense tensors") {
  const auto model = autoencoder_of("tiny-sd1");
  for (auto& parameter : model->parameters()) {
    if (parameter.dim() != 4) continue;
    parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  check_against_reference(*model, "tiny-sd1");
  const auto pixels = at::randn({2, 3, 64, 64}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto moments = model->encode_moments(pixels);
  expect(moments.is_contiguous(), "encoded");
  expect(model->decode(at::randn({2, 4, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast))
             .is_contiguous(),
         "decoded");
}

TEST("autoencoder_kl: quantisation convolutions and the middle attention follow the config") {
  const auto config = config_with("tiny-sd1", {{"use_quant_conv", false},
                                               {"use_post_quant_conv", false},
                                               {"mid_block_add_attention", false}});
  auto state = weights_of("tiny-sd1");
  std::erase_if(state.tensors, [](const auto& entry) {
    return entry.first.find("quant_conv") != std::string::npos ||
           entry.first.find("attentions") != std::string::npos;
  });
  const auto model = load_autoencoder(config, state, {});
  expect(model->decode(model->encode(at::zeros({1, 3, 16, 24})).mean).sizes() ==
             at::IntArrayRef({1, 3, 16, 24}),
         "shape");
}

TEST("autoencoder_kl: latents are scaled for the diffusion model and back") {
  const auto config = config_with("tiny-sd1", {{"shift_factor", 0.5},
                                               {"latents_mean", {0.0, 1.0, 2.0, 3.0}},
                                               {"latents_std", {1.0, 2.0, 3.0, 4.0}}});
  const auto model = make_autoencoder(config);
  const auto latents = at::randn({2, 4, 3, 5});
  const auto scaled = model->latent_space().scale(latents);
  expect_close(scaled.select(1, 3), (latents.select(1, 3) - 3.5) * 0.18215 / 4, 1e-6, "scaled");
  expect_close(model->latent_space().unscale(scaled), latents, 1e-6, "unscaled");
}

TEST("autoencoder_kl: slices equal the batch, and tiles come close to the whole") {
  const auto model = autoencoder_of("tiny-sd1");
  // In float64, because float32 kernels round differently for another batch size.
  model->to(at::kDouble);
  const auto pixels = at::rand({2, 3, 192, 128}, at::kDouble) * 2 - 1;
  const auto whole = model->encode(pixels);
  const auto sliced = encode_in_pieces(*model, pixels, {.slicing = true});
  expect_close(sliced.mean, whole.mean, 1e-6, "slices");

  const Pieces tiled{.slicing = false, .tiling = Tiling{.tile_sample_min_size = 128}};
  expect(encode_in_pieces(*model, pixels, tiled).mean.sizes() == whole.mean.sizes(),
         "encoded shape");
  expect(decode_in_pieces(*model, whole.mean, tiled).sizes() == pixels.sizes(), "decoded shape");

  const Pieces large{.slicing = false, .tiling = Tiling{.tile_sample_min_size = 192}};
  expect_close(decode_in_pieces(*model, whole.mean, large), model->decode(whole.mean), 1e-6,
               "an image no larger than a tile stays whole");
}

TEST("autoencoder tiling: neighbours that agree leave no seam, others are blended linearly") {
  const Pieces tiled{.slicing = false, .tiling = Tiling{.tile_sample_min_size = 16}};
  Echo same(0.0);
  const auto image = at::randn({1, 3, 40, 30});
  expect_close(encode_in_pieces(same, image, tiled).mean, image, 1e-6, "encoded");
  expect_close(decode_in_pieces(same, image, tiled), image, 1e-6, "decoded");
  expect(same.calls() == 2 * 4 * 3, "a tile every 12 elements");

  Echo rising(1.0);  // the k-th tile is k everywhere
  const auto line = decode_in_pieces(rising, at::zeros({1, 3, 16, 20}), tiled)[0][0][0];
  expect_close(line, at::cat({at::zeros({12}), at::arange(4) / 4, at::ones({4})}), 1e-6, "fade");
}

TEST("autoencoder tiling: sizes that cannot be tiled are named") {
  const auto model = autoencoder_of("tiny-sd1");
  const auto encode = [&](const Tiling& tiling) {
    encode_in_pieces(*model, at::zeros({1, 3, 256, 256}), {.slicing = false, .tiling = tiling});
  };
  expect_error("ERR_INVALID_ARG", [&] { encode({.tile_sample_min_size = 0}); });
  expect_error("ERR_INVALID_ARG", [&] { encode({.tile_sample_min_size = 100}); });
  expect_error("ERR_INVALID_ARG", [&] { encode({.tile_sample_min_size = 40}); });
  expect_error("ERR_INVALID_ARG",
               [&] { encode({.tile_sample_min_size = 128, .tile_overlap_factor = 1.0}); });
}

TEST("autoencoder_kl: gradients reach the first and the last parameter") {
  const at::AutoGradMode with_grad(true);
  const auto model = autoencoder_of("tiny-sd1");
  auto parameters = model->named_parameters();
  for (auto& parameter : parameters) parameter.value().requires_grad_(true);
  NoiseSource noise({1});
  const auto latents = model->encode(at::rand({1, 3, 16, 16}) * 2 - 1).sample(noise);
  model->decode(latents).square().sum().backward();
  for (const auto& parameter : parameters) {
    expect(parameter.value().grad().defined(), parameter.key());
  }
}

TEST("autoencoder_kl: a cancelled thread stops between blocks") {
  const auto model = autoencoder_of("tiny-sd1");
  CancelToken token;
  token.cancel();
  const CancelScope scope(&token);
  try {
    model->encode(at::zeros({1, 3, 16, 16}));
  } catch (const Cancelled&) {
    return;
  }
  throw std::runtime_error("expected Cancelled");
}

TEST("autoencoder_kl: wrong inputs are named") {
  const auto model = autoencoder_of("tiny-sd1");
  expect_error("ERR_SHAPE", [&] { model->encode(at::zeros({1, 3, 60, 64})); });
  expect_error("ERR_SHAPE", [&] { model->encode(at::zeros({1, 3, 0, 64})); });
  expect_error("ERR_SHAPE", [&] { model->encode(at::zeros({1, 1, 64, 64})); });
  expect_error("ERR_SHAPE", [&] { model->encode(at::zeros({3, 64, 64})); });
  expect_error("ERR_DTYPE", [&] { model->encode(at::zeros({1, 3, 64, 64}, at::kHalf)); });
  expect_error("ERR_SHAPE", [&] { model->decode(at::zeros({1, 3, 8, 8})); });
  expect_error("ERR_SHAPE", [&] {
    decode_in_pieces(*model, at::zeros({8, 8}), {.slicing = true});
  });
}

TEST("autoencoder_kl: impossible configs and foreign weights are named") {
  const auto load = [](const nlohmann::json& changes) {
    load_autoencoder(config_with("tiny-sd1", changes), weights_of("tiny-sd1"), {});
  };
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"_class_name", "VQModel"}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"norm_num_groups", 0}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"norm_num_groups", 30}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"act_fn", "relu"}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"block_out_channels", {32, 64}}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"down_block_types", {"DownBlock2D"}}}); });
  expect_error("ERR_CONFIG_INVALID", [&] { load({{"latents_mean", {0.0}}}); });
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load({{"layers_per_block", 3}}); });
  expect_error("ERR_WEIGHTS_UNEXPECTED_KEY", [&] { load({{"use_quant_conv", false}}); });
  expect_error("ERR_WEIGHTS_SHAPE", [&] { load({{"latent_channels", 8}}); });
}

}  // namespace latentray::test::autoencoder_kl_test
