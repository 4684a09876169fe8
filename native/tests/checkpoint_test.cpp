#include "weights/checkpoint.h"

#include <ATen/ATen.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "core/error.h"
#include "tests/check.h"

namespace latentray::test::checkpoint_test {

constexpr int kMutations = 10'000;

std::string committed(const std::string& name) { return "test/golden/formats/" + name; }

// Bytes changed, removed, doubled or cut off, at places and with values that a seed gives.
std::string mutated(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t end) { return random() % std::max<size_t>(end, 1); };
  for (int64_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    const size_t at = below(bytes.size());
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:  // a number of 8 bytes becomes huge
        for (size_t i = at; i < std::min(at + 8, bytes.size()); ++i) bytes[i] = '\xff';
        break;
      case 3:
        bytes.erase(at, 1 + below(16));
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(16)));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

int64_t peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Every mutation is read or refused, and what is read lies inside the file.
void survive_mutations(const std::string& name) {
  const std::string original = read_text(committed(name));
  const auto path =
      std::filesystem::temp_directory_path() / c10::str("latentray-mutation-", ::getpid(), ".bin");
  std::mt19937 random(20261125);
  const int64_t before = peak_kilobytes();
  int read = 0;
  for (int i = 0; i < kMutations; ++i) {
    std::ofstream(path, std::ios::binary) << mutated(original, random);
    try {
      const StateDict state = read_checkpoint(path.string());
      int64_t bytes = 0;
      for (const auto& [key, tensor] : state.tensors) {
        bytes += at::empty_like(tensor).copy_(tensor).nbytes();
      }
      expect(bytes <= 64 * static_cast<int64_t>(original.size()), name + ": grew");
      ++read;
    } catch (const Error& error) {
      const bool expected = error.code().starts_with("ERR_WEIGHTS_");
      expect(expected, name + ": " + error.code() + ": " + error.what());
    }
  }
  std::filesystem::remove(path);
  expect(read > 0 && read < kMutations, c10::str(name, ": ", read, " mutations were read"));
  const int64_t grown = peak_kilobytes() - before;
  expect(grown < 64 * 1024, c10::str(name, ": memory grew by ", grown, " KiB"));
}

TEST("checkpoint: 10,000 mutations of a file of each kind are read or refused") {
  for (const char* name : {"small.safetensors", "small.zip.bin", "small.legacy.bin",
                           "small.nested.ckpt", "embedding.parameters.pt"}) {
    survive_mutations(name);
  }
}

// A pickle that torch.save's reader would take for a legacy file's first part.
void expect_pickle_error(const std::string& code, const std::string& pickle) {
  const auto path =
      std::filesystem::temp_directory_path() / c10::str("latentray-pickle-", ::getpid(), ".bin");
  std::ofstream(path, std::ios::binary) << "\x80\x02" << pickle;
  expect_error(code, [&] { read_checkpoint(path.string()); });
  std::filesystem::remove(path);
}

TEST("checkpoint: every way to name something callable is refused as unsafe") {
  expect_pickle_error("ERR_WEIGHTS_UNSAFE", "cos\nsystem\n.");
  expect_pickle_error("ERR_WEIGHTS_UNSAFE", "(ios\nsystem\n.");
  expect_pickle_error("ERR_WEIGHTS_UNSAFE", "\x8c\x02os\x8c\x06system\x93.");
  expect_pickle_error("ERR_WEIGHTS_UNSAFE", std::string("\x82\x01.", 3));
  expect_pickle_error("ERR_WEIGHTS_UNSAFE", "cbuiltins\neval\n.");
}

TEST("checkpoint: pickles that would exhaust a reader are refused") {
  expect_pickle_error("ERR_WEIGHTS_CORRUPT",
                      "]q\x01h\x01"
                      "a.");
  expect_pickle_error("ERR_WEIGHTS_CORRUPT", std::string(5'000'000, ']') + ".");
  expect_pickle_error("ERR_WEIGHTS_CORRUPT", std::string("X\xff\xff\xff\xff.", 6));
  expect_pickle_error("ERR_WEIGHTS_CORRUPT",
                      "K\x01"
                      "a.");  // appends to nothing
  expect_pickle_error("ERR_WEIGHTS_CORRUPT", "(0000.");
  expect_pickle_error("ERR_WEIGHTS_CORRUPT", "ccollections\nOrderedDict\n)b.");
}

}  // namespace latentray::test::checkpoint_test
