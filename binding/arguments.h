// JavaScript values as plain C++ ones. TypeScript validates what users pass; these checks only keep
// a wrong call from becoming undefined behaviour.
#pragma once

#include <c10/util/ArrayRef.h>
#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace latentray::binding {

std::string string_argument(const Napi::Value& value, const char* name);
double number_argument(const Napi::Value& value, const char* name);
std::vector<int64_t> integers_argument(const Napi::Value& value, const char* name);
std::vector<double> numbers_argument(const Napi::Value& value, const char* name);
std::vector<std::string> strings_argument(const Napi::Value& value, const char* name);
// Seeds are BigInts or non-negative integers.
uint64_t seed_argument(const Napi::Value& value, const char* name);
std::vector<uint64_t> seeds_argument(const Napi::Value& value, const char* name);

bool is_absent(const Napi::Value& value);

Napi::Array to_js(Napi::Env env, const std::vector<double>& values);
Napi::Array to_js(Napi::Env env, c10::ArrayRef<int64_t> values);

}  // namespace latentray::binding
