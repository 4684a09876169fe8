// Reads a scheduler's config keys in the order in which diffusers declares them and keeps the
// resolved value of each, so that the complete configuration needs no second list of keys.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace latentray {

class ConfigReader {
 public:
  ConfigReader(const Config& config, const std::string& class_name);

  int64_t integer(const std::string& key, int64_t fallback, int64_t least);
  double number(const std::string& key, double fallback);
  bool boolean(const std::string& key, bool fallback);
  std::vector<int64_t> integers(const std::string& key);
  std::optional<double> optional_number(const std::string& key);
  std::optional<std::vector<double>> optional_numbers(const std::string& key);

  // One of `allowed`. `aliases` maps values of sibling classes to this class's own, as diffusers
  // does when one class takes over another's config.
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& allowed,
                     const std::map<std::string, std::string>& aliases = {});
  std::optional<std::string> optional_choice(const std::string& key,
                                             const std::vector<std::string>& allowed);

  // A key of diffusers' of which this library implements the default alone.
  void only(const std::string& key, const nlohmann::json& value);

  [[noreturn]] void reject(const std::string& key, const std::string& expected) const {
    config_.reject(key, expected);
  }

  nlohmann::ordered_json take() { return std::move(resolved_); }

 private:
  const Config& config_;
  nlohmann::ordered_json resolved_;
};

}  // namespace latentray
