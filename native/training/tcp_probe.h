// Whether somebody listens at an address, asked quietly: c10d's own client logs every attempt that
// fails, with a stack trace.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace latentray {

// An empty string where a connection was made, else why not ("Connection refused").
std::string probe_tcp(const std::string& host, uint16_t port, std::chrono::milliseconds timeout);

}  // namespace latentray
