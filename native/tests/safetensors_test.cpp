#include <cstdio>

#include "tests/check.h"

namespace latentray::test::safetensors_test {

TEST("safetensors: a written file reads back equal, with its metadata") {
  StateDict state;
  state.tensors["b"] = at::arange(6, at::kFloat).reshape({2, 3});
  state.tensors["a"] = at::arange(3, at::kLong);
  state.tensors["empty"] = at::empty({0, 4}, at::kHalf);
  state.metadata["format"] = "pt";
  const std::string path = "/tmp/latentray-safetensors-test.safetensors";
  write_safetensors(path, state);
  const StateDict read = read_safetensors(path);
  std::remove(path.c_str());
  expect(read.metadata.at("format") == "pt", "metadata");
  for (const auto& [name, tensor] : state.tensors) {
    expect(at::equal(read.tensors.at(name), tensor), name);
  }
}

TEST("safetensors: broken files are named as such") {
  for (const char* name : {"bad-offsets", "bad-header-length", "truncated"}) {
    expect_error("ERR_WEIGHTS_CORRUPT", [&] {
      read_safetensors(golden(std::string("formats/") + name + ".safetensors"));
    });
  }
}

}  // namespace latentray::test::safetensors_test
