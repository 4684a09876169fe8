// A published config.json (diffusers / transformers keys) with checked access. A key that is absent
// or null takes the default that the caller names, which is the published class's own default.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"

namespace latentray {

class Config {
 public:
  // `origin` (a path or a class name) opens every message. ERR_CONFIG_INVALID when `text` is no
  // JSON object.
  static Config parse(const std::string& text, std::string origin);

  bool has(const std::string& key) const;

  int64_t integer(const std::string& key, int64_t fallback) const;
  double number(const std::string& key, double fallback) const;
  bool boolean(const std::string& key, bool fallback) const;
  std::string string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> integers(const std::string& key, std::vector<int64_t> fallback) const;
  std::vector<double> numbers(const std::string& key, std::vector<double> fallback) const;
  std::vector<bool> booleans(const std::string& key, std::vector<bool> fallback) const;
  std::vector<std::string> strings(const std::string& key, std::vector<std::string> fallback) const;

  // One value for every level, or a list with one value a level: expanded to `count` values.
  std::vector<int64_t> integer_per_level(const std::string& key, int64_t fallback,
                                         size_t count) const;

  std::optional<double> optional_number(const std::string& key) const;

  // Throws ERR_CONFIG_INVALID: "<origin>: '<key>': expected <expected>, found <value>".
  [[noreturn]] void reject(const std::string& key, const std::string& expected) const;

  // Rejects values other than those this library implements.
  void require_one_of(const std::string& key, const std::vector<std::string>& allowed,
                      const std::string& fallback) const;

  const std::string& origin() const { return origin_; }
  const nlohmann::json& json() const { return json_; }

 private:
  template <class T>
  T get(const std::string& key, T fallback, const char* expected) const;

  nlohmann::json json_;
  std::string origin_;
};

// An object as text. Its numbers that JSON has no word for are written as Python's json writes
// them.
std::string python_json(const nlohmann::ordered_json& object);

}  // namespace latentray
