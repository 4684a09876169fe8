#include <sys/resource.h>

#include "models/load_unet.h"
#include "models/text_encoder.h"
#include "tests/check.h"

namespace latentray::test::placeholder_test {

int64_t peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// The widest sizes that are read, and a weight file that is not of them.
TEST("a config that asks for more than the file has is refused without taking the memory") {
  const int64_t before = peak_kilobytes();
  StateDict state;
  state.tensors["text_model.final_layer_norm.weight"] = at::zeros({4});
  const auto clip = Config::parse(
      R"({"model_type": "clip_text_model", "hidden_size": 16777216, "vocab_size": 16777216,
          "intermediate_size": 16777216, "num_hidden_layers": 1024})",
      "config.json");
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load_text_encoder(clip, state, {}); });
  const auto unet = Config::parse(
      R"({"block_out_channels": [65536, 65536], "cross_attention_dim": 65536,
          "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
          "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]})",
      "config.json");
  expect_error("ERR_WEIGHTS_MISSING_KEY", [&] { load_unet(unet, state, {}); });
  const auto deep = Config::parse(R"({"layers_per_block": 64, "transformer_layers_per_block": 64})",
                                  "config.json");
  expect_error("ERR_CONFIG_INVALID", [&] { load_unet(deep, state, {}); });
  const int64_t grown = peak_kilobytes() - before;
  expect(grown < 64 * 1024, c10::str("memory grew by ", grown, " KiB"));
}

}  // namespace latentray::test::placeholder_test
