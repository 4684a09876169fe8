// LibTorch's exceptions as Errors of our own.
#pragma once

#include <c10/util/Exception.h>

#include <new>
#include <optional>
#include <string>

#include "core/error.h"

namespace latentray {

// ERR_OUT_OF_MEMORY, naming the bytes that were asked for, when `error` says that memory ran out;
// nothing for every other reason.
std::optional<Error> out_of_memory(const c10::Error& error);

// The same for C++'s own allocator, which does not say how much was asked for.
Error out_of_memory(const std::bad_alloc& error);

}  // namespace latentray
