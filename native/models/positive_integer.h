// Sizes and counts in a config.json: a zero or an absurd number is named before anything is
// allocated.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/config.h"

namespace latentray {

inline constexpr int64_t kMaxSize = int64_t{1} << 24;
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxLayersPerBlock = 64;
inline constexpr size_t kMaxLevels = 12;  // each halves the image

inline bool is_positive_integer(int64_t value, int64_t maximum) {
  return value >= 1 && value <= maximum;
}

inline int64_t positive_integer(const Config& config, const std::string& key, int64_t fallback,
                                int64_t maximum = kMaxSize) {
  const int64_t value = config.integer(key, fallback);
  if (!is_positive_integer(value, maximum)) {
    config.reject(key, c10::str("an integer from 1 to ", maximum));
  }
  return value;
}

inline std::vector<int64_t> positive_integers(const Config& config, const std::string& key,
                                              std::vector<int64_t> fallback,
                                              int64_t maximum = kMaxSize) {
  auto values = config.integers(key, std::move(fallback));
  const bool valid =
      !values.empty() && std::all_of(values.begin(), values.end(), [&](int64_t value) {
        return is_positive_integer(value, maximum);
      });
  if (!valid) config.reject(key, c10::str("a list of integers from 1 to ", maximum));
  return values;
}

}  // namespace latentray
