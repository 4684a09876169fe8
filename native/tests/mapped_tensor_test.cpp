#include "core/mapped_tensor.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "nn/layers.h"
#include "tests/check.h"
#include "weights/safetensors.h"

namespace latentray::test::mapped_tensor_test {

constexpr int64_t kChannels = 64;  // 147 kB of weights: whole pages lie inside

// A convolution whose weight lies in a mapped file.
struct MappedConv {
  MappedConv() : path(std::filesystem::temp_directory_path() / c10::str("conv-", ::getpid())) {
    StateDict state;
    state.tensors["weight"] = at::randn({kChannels, kChannels, 3, 3});
    original = state.tensors["weight"];
    write_safetensors(path, state);
    conv->weight.set_data(read_safetensors(path.string()).tensors.at("weight"));
    conv->bias.set_data(at::zeros({kChannels}));
  }
  ~MappedConv() { std::filesystem::remove(path); }

  at::Tensor expected(const at::Tensor& weight) const { return at::conv2d(x, weight, {}, 1, 1); }

  std::filesystem::path path;
  at::Tensor original;
  at::Tensor x = at::randn({1, kChannels, 8, 8});
  nn::Conv2d conv{kChannels, kChannels, 3, 1, 1};
};

// Whether the page in the middle of a tensor is in this process's memory (proc_pid_pagemap(5)).
bool is_resident(const at::Tensor& tensor) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto middle = reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) + tensor.nbytes() / 2;
  const int fd = ::open("/proc/self/pagemap", O_RDONLY);
  uint64_t entry = 0;
  const auto offset = static_cast<off_t>(middle / page * sizeof(entry));
  expect(::pread(fd, &entry, sizeof(entry), offset) == sizeof(entry), "the page map is read");
  ::close(fd);
  return (entry >> 63) != 0;
}

TEST("mapped tensor: a reordered weight leaves its pages, and is read again when looked at") {
  MappedConv mapped;
  expect(mapped.conv->weight.equal(mapped.original), "the file's weight");
  expect(is_resident(mapped.conv->weight), "which was just read");
  expect_close(mapped.conv(mapped.x), mapped.expected(mapped.original), 1e-5, "output");
  expect(!is_resident(mapped.conv->weight), "its pages were given back");
  expect(mapped.conv->weight.equal(mapped.original), "and come again");
}

TEST("mapped tensor: what was written into a weight is not given back") {
  MappedConv mapped;
  mapped.conv->weight.mul_(2);
  const auto changed = mapped.original * 2;
  expect_close(mapped.conv(mapped.x), mapped.expected(changed), 1e-5, "output");
  expect(mapped.conv->weight.equal(changed), "the weight");
  mapped.conv->weight.add_(1);
  expect_close(mapped.conv(mapped.x), mapped.expected(changed + 1), 1e-5, "changed again");
  expect(mapped.conv->weight.equal(changed + 1), "the weight again");
  expect(read_safetensors(mapped.path.string()).tensors.at("weight").equal(mapped.original),
         "the file stays as it is");
}

TEST("mapped tensor: a weight that is written to after its pages were given back") {
  MappedConv mapped;
  mapped.conv(mapped.x);
  mapped.conv->weight.mul_(3);
  expect_close(mapped.conv(mapped.x), mapped.expected(mapped.original * 3), 1e-5, "output");
  expect(mapped.conv->weight.equal(mapped.original * 3), "the weight");
}

}  // namespace latentray::test::mapped_tensor_test
