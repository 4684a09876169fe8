// What belongs to one JavaScript environment (the main thread, or a worker): its executors, its
// pending jobs, the way back to its thread. Nothing here is static, so that a worker can load the
// addon, die and be followed by another.
#pragma once

#include <napi.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "executor.h"

namespace latentray::binding {

// Runs functions on the environment's thread. Outlives the environment: what is posted after its
// end is dropped, since its values are gone.
class Mailbox {
 public:
  explicit Mailbox(Napi::Env env);

  // From any thread.
  void post(std::function<void(Napi::Env)> task);

  // On the JavaScript thread: the process stays alive while `keep` is true.
  void keep_alive(Napi::Env env, bool keep);
  void close();

 private:
  std::mutex mutex_;
  bool closed_ = false;
  Napi::ThreadSafeFunction function_;
};

class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();

  static Environment& of(Napi::Env env);

  // The executor of a lane: a device's name, or "io" for files.
  Executor& executor(const std::string& lane);

  // Of all executors together.
  ExecutorStatistics statistics();

  // A job was queued or has settled: the process stays alive while any is pending.
  void job_started(Napi::Env env);
  void job_settled(Napi::Env env);

  // Cancels every job and joins the threads; idempotent. Runs at process exit and at a worker's
  // end.
  void shut_down();
  bool is_shut_down() const { return shut_down_; }

  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

  // Makes the library's own error class: (code, message, fields) => Error.
  Napi::FunctionReference make_error;
  // The handle classes by name, defined at first use.
  std::map<std::string, Napi::FunctionReference> classes;

  // Native bytes that JavaScript objects hold, as told to V8.
  void adjust_memory(Napi::Env env, int64_t bytes, int64_t tensors);

  // What a handle holds beside what it was made with: weights that a model reordered while
  // computing, a table of more tokens, statistics that have got their width.
  struct Growth {
    int64_t bytes = 0;
    uint64_t packings = 0;  // nn::packings() when it was measured
  };
  // Zeros where it has no handle any more.
  Growth growth(const void* grower) const;
  void grower_created(const void* grower);
  void grew(Napi::Env env, const void* grower, Growth now);
  void grower_released(Napi::Env env, const void* grower);

  int64_t live_bytes() const { return live_bytes_; }
  int64_t live_tensors() const { return live_tensors_; }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::map<std::string, std::unique_ptr<Executor>> executors_;
  std::map<const void*, Growth> growths_;
  int64_t pending_jobs_ = 0;
  int64_t live_bytes_ = 0;
  int64_t live_tensors_ = 0;
  bool shut_down_ = false;
};

}  // namespace latentray::binding
