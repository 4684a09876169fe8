#include "core/cancellation.h"

namespace latentray {

namespace {
thread_local const CancelToken* current_token = nullptr;
}

CancelScope::CancelScope(const CancelToken* token) : previous_(current_token) {
  current_token = token;
}

CancelScope::~CancelScope() { current_token = previous_; }

void cancellation_point() {
  if (current_token != nullptr && current_token->cancelled()) throw Cancelled();
}

}  // namespace latentray
