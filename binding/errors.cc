#include "errors.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "core/cancellation.h"
#include "core/error.h"
#include "core/libtorch_error.h"
#include "environment.h"

namespace latentray::binding {

namespace {

struct Report {
  std::string code;
  std::string message;
  Error::Fields fields;
};

Report report_of(const Error& error) { return {error.code(), error.what(), error.fields()}; }

Report report_of(std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return report_of(error);
  } catch (const Cancelled&) {
    return {"ERR_CANCELLED", "the job was cancelled", {}};
  } catch (const c10::Error& error) {
    if (const auto memory = out_of_memory(error)) return report_of(*memory);
    // what() would symbolise the stack: 8 ms and kilobytes of frames.
    return {"ERR_LIBTORCH", error.what_without_backtrace(), {}};
  } catch (const std::bad_alloc& error) {
    return report_of(out_of_memory(error));
  } catch (const std::exception& error) {
    return {"ERR_NATIVE", error.what(), {}};
  } catch (...) {
    return {"ERR_NATIVE", "unknown native exception", {}};
  }
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, std::exception_ptr exception) {
  const Report report = report_of(std::move(exception));
  auto fields = Napi::Object::New(env);
  for (const auto& [key, value] : report.fields) fields.Set(key, value);
  const Napi::Value error = Environment::of(env).make_error.Call(
      {Napi::String::New(env, report.code), Napi::String::New(env, report.message), fields});
  return Napi::Error(env, error);
}

}  // namespace latentray::binding
