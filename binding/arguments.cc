#include "arguments.h"

namespace latentray::binding {

namespace {

Napi::TypeError wrong_type(const Napi::Value& value, const char* name, const char* expected) {
  return Napi::TypeError::New(value.Env(), std::string(name) + ": expected " + expected);
}

template <class T, class Read>
std::vector<T> list_argument(const Napi::Value& value, const char* name, Read read) {
  if (!value.IsArray()) throw wrong_type(value, name, "an array");
  const auto array = value.As<Napi::Array>();
  std::vector<T> items;
  items.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) items.push_back(read(array.Get(i), name));
  return items;
}

}  // namespace

std::string string_argument(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw wrong_type(value, name, "a string");
  return value.As<Napi::String>();
}

double number_argument(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) throw wrong_type(value, name, "a number");
  return value.As<Napi::Number>();
}

uint64_t seed_argument(const Napi::Value& value, const char* name) {
  if (!value.IsBigInt()) return static_cast<uint64_t>(number_argument(value, name));
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

std::vector<int64_t> integers_argument(const Napi::Value& value, const char* name) {
  return list_argument<int64_t>(value, name, [](const Napi::Value& item, const char* n) {
    return static_cast<int64_t>(number_argument(item, n));
  });
}

std::vector<double> numbers_argument(const Napi::Value& value, const char* name) {
  return list_argument<double>(value, name, number_argument);
}

std::vector<std::string> strings_argument(const Napi::Value& value, const char* name) {
  return list_argument<std::string>(value, name, string_argument);
}

std::vector<uint64_t> seeds_argument(const Napi::Value& value, const char* name) {
  return list_argument<uint64_t>(value, name, seed_argument);
}

bool is_absent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

Napi::Array to_js(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, values[i]);
  return array;
}

Napi::Array to_js(Napi::Env env, c10::ArrayRef<int64_t> values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, static_cast<double>(values[i]));
  return array;
}

}  // namespace latentray::binding
