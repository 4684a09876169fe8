// From a call in JavaScript to a computation on an executor and back to its promise.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "core/cancellation.h"
#include "environment.h"
#include "errors.h"

namespace latentray::binding {

// Queues a job. `run` computes on the lane's thread and touches no JavaScript; what it captures by
// value (tensors, models) lives until it ends. `settle` then makes the promise's value on the
// JavaScript thread.
Napi::Promise start_job(Napi::Env env, const std::string& lane, std::shared_ptr<CancelToken> token,
                        std::function<void()> run, std::function<Napi::Value(Napi::Env)> settle);

// compute() → Result on the executor, convert(env, Result) → value on the JavaScript thread.
template <class Compute, class Convert>
Napi::Promise start_job(Napi::Env env, const std::string& lane, std::shared_ptr<CancelToken> token,
                        Compute compute, Convert convert) {
  using Result = std::invoke_result_t<Compute>;
  auto result = std::make_shared<std::unique_ptr<Result>>();
  return start_job(env, lane, std::move(token),
                   std::function<void()>([result, compute = std::move(compute)]() mutable {
                     *result = std::make_unique<Result>(compute());
                   }),
                   std::function<Napi::Value(Napi::Env)>(
                       [result, convert = std::move(convert)](Napi::Env settle_env) -> Napi::Value {
                         return convert(settle_env, std::move(**result));
                       }));
}

// createCancelToken(): JavaScript's handle of a token, with `.cancel()`.
void export_cancel_token(Napi::Env env, Napi::Object exports);

// The token that a call passed, or a fresh one when the argument is undefined.
std::shared_ptr<CancelToken> cancel_token_argument(const Napi::Value& value);

}  // namespace latentray::binding
