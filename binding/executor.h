// One thread that runs jobs in order. A thread of our own, not libuv's pool: five computing jobs
// there hold up every fs call of the application.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/cancellation.h"

namespace latentray::binding {

// What executors have done: how busy a process is, and what a call costs beside its computation.
struct ExecutorStatistics {
  uint64_t jobs = 0;
  double busy_ms = 0;
  size_t waiting = 0;
};

struct Task {
  std::shared_ptr<CancelToken> token;
  // Catches everything itself.
  std::function<void()> run;
};

class Executor {
 public:
  Executor();
  // Cancels what is left and joins the thread.
  ~Executor();

  void submit(Task task);
  // Fires the token of the running task and of all that wait.
  void cancel_all();

  ExecutorStatistics statistics();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> waiting_;
  std::shared_ptr<CancelToken> running_;
  bool stopping_ = false;
  ExecutorStatistics done_;
  std::thread thread_;
};

// The number of threads inside one operation, for every executor. 0 keeps LibTorch's default.
void set_intra_op_threads(int threads);
int intra_op_threads();

}  // namespace latentray::binding
