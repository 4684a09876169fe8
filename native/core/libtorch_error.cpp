#include "core/libtorch_error.h"

#include <string_view>

namespace latentray {

namespace {

constexpr const char* kRemedy =
    ". Use a smaller batch, image or dtype, or dispose of what is not needed";

// The number after "you tried to allocate ", or nothing.
std::string bytes_in(std::string_view message) {
  constexpr std::string_view kBefore = "you tried to allocate ";
  const size_t found = message.find(kBefore);
  if (found == std::string_view::npos) return {};
  const std::string_view rest = message.substr(found + kBefore.size());
  return std::string(rest.substr(0, rest.find_first_not_of("0123456789")));
}

}  // namespace

std::optional<Error> out_of_memory(const c10::Error& error) {
  const std::string message = error.what_without_backtrace();
  // A GPU's allocator has a class of its own and says in its message how much it was asked for.
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) {
    return Error("ERR_OUT_OF_MEMORY", message + kRemedy);
  }
  // The CPU's allocator has none, nor has the size of a tensor that no memory could hold.
  if (message.find("DefaultCPUAllocator") != std::string::npos) {
    const std::string bytes = bytes_in(message);
    return Error("ERR_OUT_OF_MEMORY",
                 c10::str("the CPU's memory does not suffice: ", bytes.empty() ? "?" : bytes,
                          " bytes were asked for", kRemedy),
                 {{"bytes", bytes}});
  }
  if (message.find("Storage size calculation overflowed") != std::string::npos) {
    return Error("ERR_OUT_OF_MEMORY",
                 c10::str("a tensor of more bytes than any memory has was asked for", kRemedy));
  }
  return std::nullopt;
}

Error out_of_memory(const std::bad_alloc&) {
  return Error("ERR_OUT_OF_MEMORY", c10::str("the CPU's memory does not suffice", kRemedy));
}

}  // namespace latentray
