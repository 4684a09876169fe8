#include "core/config.h"

#include <algorithm>
#include <cmath>

namespace latentray {

using nlohmann::json;

namespace {

template <class T>
bool holds(const json& value);
template <>
bool holds<int64_t>(const json& value) {
  return value.is_number_integer();
}
template <>
bool holds<double>(const json& value) {
  return value.is_number();
}
template <>
bool holds<bool>(const json& value) {
  return value.is_boolean();
}
template <>
bool holds<std::string>(const json& value) {
  return value.is_string();
}

template <class T>
bool holds_list_of(const json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), holds<T>);
}
template <>
bool holds<std::vector<int64_t>>(const json& value) {
  return holds_list_of<int64_t>(value);
}
template <>
bool holds<std::vector<double>>(const json& value) {
  return holds_list_of<double>(value);
}
template <>
bool holds<std::vector<bool>>(const json& value) {
  return holds_list_of<bool>(value);
}
template <>
bool holds<std::vector<std::string>>(const json& value) {
  return holds_list_of<std::string>(value);
}

}  // namespace

Config Config::parse(const std::string& text, std::string origin) {
  Config config;
  config.origin_ = std::move(origin);
  config.json_ = json::parse(text, nullptr, /*allow_exceptions=*/false);
  LATENTRAY_CHECK(config.json_.is_object(), "ERR_CONFIG_INVALID", config.origin_,
                  ": expected a JSON object");
  return config;
}

bool Config::has(const std::string& key) const {
  const auto found = json_.find(key);
  return found != json_.end() && !found->is_null();
}

template <class T>
T Config::get(const std::string& key, T fallback, const char* expected) const {
  if (!has(key)) return fallback;
  const nlohmann::json& value = json_.at(key);
  if (!holds<T>(value)) reject(key, expected);
  return value.get<T>();
}

int64_t Config::integer(const std::string& key, int64_t fallback) const {
  return get(key, fallback, "an integer");
}
double Config::number(const std::string& key, double fallback) const {
  return get(key, fallback, "a number");
}
bool Config::boolean(const std::string& key, bool fallback) const {
  return get(key, fallback, "true or false");
}
std::string Config::string(const std::string& key, const std::string& fallback) const {
  return get(key, fallback, "a string");
}
std::vector<int64_t> Config::integers(const std::string& key, std::vector<int64_t> fallback) const {
  return get(key, std::move(fallback), "a list of integers");
}
std::vector<double> Config::numbers(const std::string& key, std::vector<double> fallback) const {
  return get(key, std::move(fallback), "a list of numbers");
}
std::vector<bool> Config::booleans(const std::string& key, std::vector<bool> fallback) const {
  return get(key, std::move(fallback), "a list of true or false");
}
std::vector<std::string> Config::strings(const std::string& key,
                                         std::vector<std::string> fallback) const {
  return get(key, std::move(fallback), "a list of strings");
}

std::vector<int64_t> Config::integer_per_level(const std::string& key, int64_t fallback,
                                               size_t count) const {
  if (!has(key) || json_.at(key).is_number_integer()) {
    return std::vector<int64_t>(count, integer(key, fallback));
  }
  auto values = integers(key, {});
  if (values.size() != count) reject(key, c10::str("one integer or a list of ", count));
  return values;
}

std::optional<double> Config::optional_number(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  return number(key, 0);
}

void Config::reject(const std::string& key, const std::string& expected) const {
  const std::string found = has(key) ? json_.at(key).dump() : "nothing";
  throw Error("ERR_CONFIG_INVALID",
              c10::str(origin_, ": '", key, "': expected ", expected, ", found ", found),
              {{"key", key}, {"expected", expected}, {"found", found}});
}

void Config::require_one_of(const std::string& key, const std::vector<std::string>& allowed,
                            const std::string& fallback) const {
  const std::string value = string(key, fallback);
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
  std::string list;
  for (const auto& name : allowed) list += (list.empty() ? "'" : ", '") + name + "'";
  reject(key, allowed.size() == 1 ? list : "one of " + list);
}

std::string python_json(const nlohmann::ordered_json& object) {
  std::string text;
  for (const auto& [key, value] : object.items()) {
    std::string written = value.dump();
    if (value.is_number_float() && std::isnan(value.get<double>())) written = "NaN";
    if (value.is_number_float() && std::isinf(value.get<double>())) {
      written = value.get<double>() > 0 ? "Infinity" : "-Infinity";
    }
    text += (text.empty() ? "{" : ", ") + json(key).dump() + ": " + written;
  }
  return text.empty() ? "{}" : text + "}";
}

}  // namespace latentray
