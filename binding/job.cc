#include "job.h"

#include "object.h"

namespace latentray::binding {

namespace {

struct Job {
  explicit Job(Napi::Env env) : deferred(env) {}
  Napi::Promise::Deferred deferred;
  std::function<Napi::Value(Napi::Env)> settle;
  std::exception_ptr failure;
};

void settle(Napi::Env env, Job& job) {
  const Napi::HandleScope scope(env);
  Environment::of(env).job_settled(env);
  try {
    if (job.failure) std::rethrow_exception(job.failure);
    job.deferred.Resolve(job.settle(env));
  } catch (const Napi::Error& error) {
    job.deferred.Reject(error.Value());
  } catch (...) {
    job.deferred.Reject(to_js_error(env, std::current_exception()).Value());
  }
}

class CancelTokenObject : public Object<CancelTokenObject, std::shared_ptr<CancelToken>> {
 public:
  static constexpr const char* kName = "CancelToken";
  using Object::Object;
  static int64_t bytes_of(const std::shared_ptr<CancelToken>&) { return 0; }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, kName, {InstanceMethod<&CancelTokenObject::cancel>("cancel")});
  }

 private:
  void cancel(const Napi::CallbackInfo&) { payload()->cancel(); }
};

}  // namespace

Napi::Promise start_job(Napi::Env env, const std::string& lane, std::shared_ptr<CancelToken> token,
                        std::function<void()> run,
                        std::function<Napi::Value(Napi::Env)> settle_job) {
  Environment& environment = Environment::of(env);
  auto job = std::make_unique<Job>(env);
  job->settle = std::move(settle_job);
  const Napi::Promise promise = job->deferred.Promise();
  if (environment.is_shut_down()) return promise;  // the process is ending: never settles

  environment.job_started(env);
  // The job is settled, and so destroyed, on the JavaScript thread; the executor only borrows it.
  std::shared_ptr<Job> shared = std::move(job);
  Task task;
  task.token = token;
  task.run = [shared, token, run = std::move(run), mailbox = environment.mailbox()]() mutable {
    try {
      const CancelScope scope(token.get());
      cancellation_point();
      run();
    } catch (...) {
      shared->failure = std::current_exception();
    }
    run = nullptr;
    mailbox->post([job = std::move(shared)](Napi::Env js_env) { settle(js_env, *job); });
  };
  environment.executor(lane).submit(std::move(task));
  return promise;
}

void export_cancel_token(Napi::Env env, Napi::Object exports) {
  exports.Set("createCancelToken", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return CancelTokenObject::create(info.Env(), std::make_shared<CancelToken>());
              }));
}

std::shared_ptr<CancelToken> cancel_token_argument(const Napi::Value& value) {
  if (value.IsUndefined()) return std::make_shared<CancelToken>();
  return CancelTokenObject::payload_of(value);
}

}  // namespace latentray::binding
