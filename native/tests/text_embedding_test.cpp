#include "models/text_embedding.h"

#include <ATen/ATen.h>

#include <cmath>

#include "models/text_projection.h"
#include "tests/check.h"

namespace latentray::test::text_embedding_test {

std::shared_ptr<TextEncoder> bert() {
  const auto config = Config::parse(read_text(golden("tiny-bert/model/config.json")), "tiny-bert");
  return load_text_encoder(config, read_safetensors(golden("tiny-bert/model/model.safetensors")),
                           {});
}

TextInputs two_texts() {
  TextInputs inputs;
  inputs.input_ids = at::tensor({101, 5, 6, 102, 101, 7, 102, 0}, at::kLong).view({2, 4});
  inputs.attention_mask = at::tensor({1, 1, 1, 1, 1, 1, 1, 0}, at::kLong).view({2, 4});
  return inputs;
}

at::Tensor pooled(TextEncoder& encoder, const char* pooling, TextRequest request = {}) {
  request.pooling = parse_pooling(pooling);
  return *embed_texts(encoder, two_texts(), request).pooled;
}

TEST("text embedding: each pooling takes its tokens") {
  const auto encoder = bert();
  const auto states = embed_texts(*encoder, two_texts(), {}).states;
  expect_close(pooled(*encoder, "cls"), states.select(1, 0), 1e-6, "cls");
  expect_close(pooled(*encoder, "eot"), at::stack({states[0][3], states[1][2]}), 1e-6, "eot");
  expect_close(pooled(*encoder, "mean")[1], states[1].narrow(0, 0, 3).mean(0), 1e-6, "mean");
  const auto scaled = pooled(*encoder, "mean", {.normalize = true});
  expect_close(scaled.norm(2, {1}), at::ones({2}), 1e-6, "length 1");
}

TEST("text embedding: a layer is a hidden state, counted from either end") {
  const auto encoder = bert();
  auto inputs = two_texts();
  inputs.output_hidden_states = true;
  const auto all = embed_texts(*encoder, inputs, {}).encoding.hidden_states;
  for (const int64_t layer : {-4, -1, 0, 3}) {
    const auto chosen = embed_texts(*encoder, two_texts(), {.layer = layer});
    expect_close(chosen.states, all[(layer + 4) % 4], 1e-6, "layer");
    expect(chosen.encoding.hidden_states.empty(), "states that nobody asked for are not kept");
  }
}

TEST("text embedding: what a model cannot give is named") {
  const auto encoder = bert();
  const auto refuses = [&](TextRequest request) {
    expect_error("ERR_INVALID_ARG", [&] { embed_texts(*encoder, two_texts(), request); });
  };
  refuses({.layer = 4});
  refuses({.skip_layers = 1, .layer = 1});
  refuses({.layer = 1, .pooling = Pooling::kPooler});
  refuses({.pooling = Pooling::kProjection});
  refuses({.normalize = true});
  expect_error("ERR_INVALID_ARG", [] { parse_pooling("max"); });
}

TEST("text embedding: added rows lengthen the table, and go again") {
  const auto encoder = bert();
  const auto published = encoder->token_embedding()->weight.clone();
  const auto rows = at::randn({2, 32});
  encoder->set_added_embeddings({28998, 5}, rows);
  const auto& table = encoder->token_embedding()->weight;
  expect(table.size(0) == 28999, "one row more than the largest id");
  expect_close(table[28998], rows[0], 0, "a new row");
  expect_close(table[5], rows[1], 0, "a replaced row");
  expect(!table[28997].any().item<bool>(), "a gap holds zeros");
  auto inputs = two_texts();
  inputs.input_ids[0][1] = 28998;
  encoder->forward(inputs);
  encoder->set_added_embeddings({}, at::empty({0, 32}));
  expect(at::equal(encoder->token_embedding()->weight, published), "as published");
  expect_error("ERR_INVALID_ARG", [&] { encoder->forward(inputs); });
  expect_error("ERR_SHAPE", [&] { encoder->set_added_embeddings({7}, at::ones({1, 16})); });
  expect_error("ERR_NON_FINITE", [&] {
    encoder->set_added_embeddings({7}, at::full({1, 32}, NAN));
  });
}

TEST("text embedding: long batches go through the feed-forward in pieces") {
  const auto encoder = bert();
  const auto ids = at::randint(1000, 20000, {5, 300}, at::kLong);
  const auto whole = encoder->forward({.input_ids = ids}).last_hidden_state;
  const auto alone = encoder->forward({.input_ids = ids.narrow(0, 4, 1)}).last_hidden_state;
  expect_close(whole.narrow(0, 4, 1), alone, 1e-5, "the last text");
}

TEST("cosine similarity: of every pair") {
  const auto a = at::randn({3, 8});
  const auto cosines = latentray::cosine_similarity(a, at::cat({a * 2, -a}));
  expect_close(cosines.diagonal(), at::ones({3}), 1e-6, "itself");
  expect_close(cosines.narrow(1, 3, 3).diagonal(), -at::ones({3}), 1e-6, "its opposite");
  expect_error("ERR_SHAPE", [&] { latentray::cosine_similarity(a, at::ones({3, 7})); });
}

TEST("text projection: a config that says nothing or nonsense is named") {
  const auto create = [](const char* json) {
    create_text_projection(Config::parse(json, "text_projection"), 0, {});
  };
  create(R"({"in_features": 4, "out_features": 6})");
  expect_error("ERR_CONFIG_INVALID", [&] { create(R"({"in_features": 4})"); });
  expect_error("ERR_CONFIG_INVALID", [&] { create(R"({"in_features": 4, "out_features": 0})"); });
  expect_error("ERR_CONFIG_INVALID", [&] {
    create(R"({"in_features": 4, "out_features": 6, "hidden_size": 8, "act_fn": "sine"})");
  });
}

}  // namespace latentray::test::text_embedding_test
