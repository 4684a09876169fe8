#include "diffusion/config_reader.h"

#include <algorithm>

namespace latentray {

ConfigReader::ConfigReader(const Config& config, const std::string& class_name) : config_(config) {
  resolved_["_class_name"] = class_name;
}

int64_t ConfigReader::integer(const std::string& key, int64_t fallback, int64_t least) {
  const int64_t value = config_.integer(key, fallback);
  if (value < least) reject(key, c10::str("an integer from ", least));
  resolved_[key] = value;
  return value;
}

double ConfigReader::number(const std::string& key, double fallback) {
  const double value = config_.number(key, fallback);
  resolved_[key] = value;
  return value;
}

bool ConfigReader::boolean(const std::string& key, bool fallback) {
  const bool value = config_.boolean(key, fallback);
  resolved_[key] = value;
  return value;
}

std::vector<int64_t> ConfigReader::integers(const std::string& key) {
  auto values = config_.integers(key, {});
  resolved_[key] = values;
  return values;
}

std::optional<double> ConfigReader::optional_number(const std::string& key) {
  const auto value = config_.optional_number(key);
  resolved_[key] = value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  return value;
}

std::optional<std::vector<double>> ConfigReader::optional_numbers(const std::string& key) {
  resolved_[key] = nullptr;
  if (!config_.has(key)) return std::nullopt;
  auto values = config_.numbers(key, {});
  resolved_[key] = values;
  return values;
}

std::string ConfigReader::choice(const std::string& key, const std::string& fallback,
                                 const std::vector<std::string>& allowed,
                                 const std::map<std::string, std::string>& aliases) {
  std::string value = config_.string(key, fallback);
  if (const auto alias = aliases.find(value); alias != aliases.end()) {
    value = alias->second;
  } else {
    config_.require_one_of(key, allowed, fallback);
  }
  resolved_[key] = value;
  return value;
}

std::optional<std::string> ConfigReader::optional_choice(const std::string& key,
                                                         const std::vector<std::string>& allowed) {
  if (config_.has(key)) return choice(key, "", allowed);
  resolved_[key] = nullptr;
  return std::nullopt;
}

void ConfigReader::only(const std::string& key, const nlohmann::json& value) {
  if (config_.has(key) && config_.json().at(key) != value) {
    reject(key, value.dump() + " (other values are not implemented)");
  }
  resolved_[key] = value;
}

}  // namespace latentray
