// One error type for everything that the engine reports: a stable code for programs, a sentence for
// people (the thing, what was expected, what was found, the remedy last) and fields to read.
#pragma once

#include <c10/util/StringUtil.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace latentray {

class Error : public std::runtime_error {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Error(std::string code, const std::string& message, Fields fields = {})
      : std::runtime_error(message), code_(std::move(code)), fields_(std::move(fields)) {}

  const std::string& code() const { return code_; }
  const Fields& fields() const { return fields_; }

 private:
  std::string code_;
  Fields fields_;
};

}  // namespace latentray

// The message parts are evaluated only on failure.
#define LATENTRAY_CHECK(condition, code, ...)                    \
  do {                                                           \
    if (!(condition)) {                                          \
      throw ::latentray::Error((code), ::c10::str(__VA_ARGS__)); \
    }                                                            \
  } while (false)
