// The members of an options object.
#pragma once

#include <napi.h>

#include <string>

#include "arguments.h"

namespace latentray::binding {

class Members {
 public:
  explicit Members(const Napi::Value& value) : object_(value.As<Napi::Object>()) {}
  double number(const char* name) const { return number_argument(object_.Get(name), name); }
  int64_t integer(const char* name) const { return static_cast<int64_t>(number(name)); }
  bool flag(const char* name) const { return object_.Get(name).ToBoolean(); }
  std::string text(const char* name) const { return string_argument(object_.Get(name), name); }
  Napi::Value get(const char* name) const { return object_.Get(name); }
  bool has(const char* name) const { return !is_absent(object_.Get(name)); }

 private:
  Napi::Object object_;
};

}  // namespace latentray::binding
