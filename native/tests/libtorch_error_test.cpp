#include "core/libtorch_error.h"

#include <limits>

#include "core/tensor_ops.h"
#include "tests/check.h"

namespace latentray::test::libtorch_error_test {

TEST("errors: memory that runs out inside an operation is named as such, with its bytes") {
  // A view of one element that claims 2⁴⁵: adding to it needs memory for all of them.
  const at::Tensor huge = at::zeros({1}).expand({int64_t{1} << 45});
  expect_error("ERR_OUT_OF_MEMORY", [&] { run_op("add", {huge}, OpAttributes{{"value", 1.0}}); });
  try {
    run_op("exp", {huge}, {});
  } catch (const Error& error) {
    expect(error.fields() == Error::Fields{{"bytes", "140737488355328"}}, "the bytes");
    expect(std::string(error.what()).find("140737488355328 bytes") != std::string::npos,
           "in words");
  }
}

TEST("errors: a size beyond every memory is a lack of memory too, and a bad shape is none") {
  const int64_t large = std::numeric_limits<int64_t>::max() / 2;
  const auto found = [](const auto& body) -> std::optional<Error> {
    try {
      body();
      return std::nullopt;
    } catch (const c10::Error& error) {
      return out_of_memory(error);
    }
  };
  expect(found([&] { at::empty({large, 16}); }).has_value(), "an overflow");
  expect(!found([] { at::zeros({2}) + at::zeros({3}); }).has_value(), "shapes that differ");
  expect(out_of_memory(std::bad_alloc()).code() == "ERR_OUT_OF_MEMORY", "std::bad_alloc");
}

}  // namespace latentray::test::libtorch_error_test
