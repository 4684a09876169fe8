#include "executor.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <atomic>
#include <chrono>

namespace latentray::binding {

namespace {

std::atomic<int> requested_threads{0};

// set_num_threads acts on the calling thread only, so each executor thread follows the wish itself.
void follow_requested_threads() {
  thread_local int applied = 0;
  const int wanted = requested_threads.load();
  if (wanted == applied || wanted == 0) return;
  at::set_num_threads(wanted);
  applied = wanted;
}

}  // namespace

void set_intra_op_threads(int threads) { requested_threads.store(threads); }

int intra_op_threads() {
  const int wanted = requested_threads.load();
  return wanted == 0 ? at::get_num_threads() : wanted;
}

Executor::Executor() : thread_([this] { loop(); }) {}

Executor::~Executor() {
  cancel_all();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Executor::submit(Task task) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void Executor::cancel_all() {
  const std::lock_guard lock(mutex_);
  if (running_) running_->cancel();
  for (auto& task : waiting_) task.token->cancel();
}

ExecutorStatistics Executor::statistics() {
  const std::lock_guard lock(mutex_);
  ExecutorStatistics now = done_;
  now.waiting = waiting_.size();
  return now;
}

void Executor::loop() {
  // Gradients are recorded where training asks for them; the mode is a thread's own.
  const at::NoGradGuard no_grad;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    running_ = task.token;
    lock.unlock();
    follow_requested_threads();
    const auto started = std::chrono::steady_clock::now();
    task.run();
    const std::chrono::duration<double, std::milli> busy =
        std::chrono::steady_clock::now() - started;
    task = {};  // what it captured is released before the next one starts
    lock.lock();
    running_.reset();
    ++done_.jobs;
    done_.busy_ms += busy.count();
  }
}

}  // namespace latentray::binding
