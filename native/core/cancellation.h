// Stopping a computation from another thread. A job installs its token for the thread that
// computes; model code calls cancellation_point() between blocks, so that no forward takes a token
// argument.
#pragma once

#include <atomic>
#include <exception>

namespace latentray {

class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

// Not an Error: whoever cancelled knows why and supplies the reason.
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

// Makes `token` the current thread's token until the scope ends.
class CancelScope {
 public:
  explicit CancelScope(const CancelToken* token);
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  const CancelToken* previous_;
};

// Throws Cancelled when the current thread's token has fired.
void cancellation_point();

}  // namespace latentray
