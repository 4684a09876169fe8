#include "environment.h"

namespace latentray::binding {

Mailbox::Mailbox(Napi::Env env)
    : function_(Napi::ThreadSafeFunction::New(
          env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "latentray",
          /*maxQueueSize=*/0, /*initialThreadCount=*/1)) {
  function_.Unref(env);
}

void Mailbox::post(std::function<void(Napi::Env)> task) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  auto* boxed = new std::function<void(Napi::Env)>(std::move(task));
  const napi_status status =
      function_.NonBlockingCall(boxed, [](Napi::Env env, Napi::Function, auto* pending) {
        const std::unique_ptr<std::function<void(Napi::Env)>> owned(pending);
        // Node hands a null environment over what is left in the queue at its end.
        if (static_cast<napi_env>(env) == nullptr) return;
        try {
          (*owned)(env);
        } catch (const Napi::Error&) {
          // A worker that is being terminated refuses every call: nobody is left to hear of it.
        }
      });
  if (status != napi_ok) delete boxed;
}

void Mailbox::keep_alive(Napi::Env env, bool keep) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  keep ? function_.Ref(env) : function_.Unref(env);
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  function_.Abort();
}

Environment::Environment(Napi::Env env) : mailbox_(std::make_shared<Mailbox>(env)) {}

Environment::~Environment() { shut_down(); }

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

Executor& Environment::executor(const std::string& lane) {
  auto& executor = executors_[lane];
  if (!executor) executor = std::make_unique<Executor>();
  return *executor;
}

ExecutorStatistics Environment::statistics() {
  ExecutorStatistics sum;
  for (auto& [lane, executor] : executors_) {
    const auto one = executor->statistics();
    sum.jobs += one.jobs;
    sum.busy_ms += one.busy_ms;
    sum.waiting += one.waiting;
  }
  return sum;
}

void Environment::job_started(Napi::Env env) {
  // ThreadSafeFunction's Ref is a flag, not a count.
  if (pending_jobs_++ == 0) mailbox_->keep_alive(env, true);
}

void Environment::job_settled(Napi::Env env) {
  if (--pending_jobs_ == 0) mailbox_->keep_alive(env, false);
}

void Environment::shut_down() {
  if (shut_down_) return;
  shut_down_ = true;
  for (auto& [lane, executor] : executors_) executor->cancel_all();
  executors_.clear();
  mailbox_->close();
}

void Environment::adjust_memory(Napi::Env env, int64_t bytes, int64_t tensors) {
  live_bytes_ += bytes;
  live_tensors_ += tensors;
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
}

Environment::Growth Environment::growth(const void* grower) const {
  const auto found = growths_.find(grower);
  return found == growths_.end() ? Growth() : found->second;
}

void Environment::grower_created(const void* grower) { growths_[grower] = {}; }

void Environment::grew(Napi::Env env, const void* grower, Growth now) {
  const auto found = growths_.find(grower);
  if (found == growths_.end()) return;  // disposed of meanwhile
  adjust_memory(env, now.bytes - found->second.bytes, 0);
  found->second = now;
}

void Environment::grower_released(Napi::Env env, const void* grower) {
  adjust_memory(env, -growth(grower).bytes, 0);
  growths_.erase(grower);
}

}  // namespace latentray::binding
