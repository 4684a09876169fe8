#include "core/dtype.h"

#include <array>
#include <utility>

#include "core/error.h"

namespace latentray {

namespace {
constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kNames{{
    {"float32", at::kFloat},
    {"float64", at::kDouble},
    {"float16", at::kHalf},
    {"bfloat16", at::kBFloat16},
    {"int8", at::kChar},
    {"uint8", at::kByte},
    {"int16", at::kShort},
    {"int32", at::kInt},
    {"int64", at::kLong},
    {"bool", at::kBool},
}};
}  // namespace

at::ScalarType parse_dtype(const std::string& name) {
  for (const auto& [known, dtype] : kNames) {
    if (name == known) return dtype;
  }
  std::string expected;
  for (const auto& entry : kNames)
    expected += (expected.empty() ? "" : ", ") + std::string(entry.first);
  throw Error("ERR_DTYPE",
              c10::str("dtype: expected one of ", expected, "; received '", name, "'"));
}

std::string dtype_name(at::ScalarType dtype) {
  for (const auto& [name, known] : kNames) {
    if (dtype == known) return name;
  }
  return c10::toString(dtype);
}

}  // namespace latentray
