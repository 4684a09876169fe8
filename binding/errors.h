// Exceptions of the engine as errors of JavaScript.
#pragma once

#include <napi.h>

#include <exception>

namespace latentray::binding {

// An Error value made by the class that TypeScript handed in: {code, message, fields}.
Napi::Error to_js_error(Napi::Env env, std::exception_ptr exception);

// Runs `body`; an exception of the engine leaves as a JavaScript one. For synchronous functions.
template <class Body>
auto guarded(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

}  // namespace latentray::binding
