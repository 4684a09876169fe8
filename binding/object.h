// The base of every JavaScript handle: an object that owns one native payload (a tensor, a model)
// until it is disposed or collected, and tells V8 how many bytes that is.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"
#include "environment.h"
#include "errors.h"

namespace latentray::binding {

// Derived supplies kName (the class's name in messages), define(env) (its class) and
// bytes_of(payload); for a payload that grows later grower_of(payload), its address, which says
// whose growth it is (Environment::grew); retire(env, payload) where letting go of it is
// work.
template <class Derived, class Payload>
class Object : public Napi::ObjectWrap<Derived> {
 public:
  explicit Object(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Derived>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw Napi::TypeError::New(info.Env(), std::string(Derived::kName) + " is made by the addon");
    }
    info.This().template As<Napi::Object>().TypeTag(&tag());
    payload_ = std::move(*info[0].template As<Napi::External<Payload>>().Data());
    bytes_ = Derived::bytes_of(*payload_);
    Environment::of(info.Env()).adjust_memory(info.Env(), bytes_, Derived::kCounted);
    if constexpr (requires { Derived::grower_of(*payload_); }) {
      Environment::of(info.Env()).grower_created(Derived::grower_of(*payload_));
    }
  }

  // The collector ran: same as dispose().
  void Finalize(Napi::Env env) override { release(env); }

  static Napi::Object create(Napi::Env env, Payload payload) {
    auto& classes = Environment::of(env).classes;
    auto& reference = classes[Derived::kName];
    if (reference.IsEmpty()) reference = Napi::Persistent(Derived::define(env));
    return reference.New({Napi::External<Payload>::New(env, &payload)});
  }

  // The payload of a JavaScript value that must be such an object, not disposed.
  static const Payload& payload_of(const Napi::Value& value) {
    const bool tagged = value.IsObject() && value.template As<Napi::Object>().CheckTypeTag(&tag());
    if (!tagged) {
      throw Napi::TypeError::New(value.Env(), std::string("expected a ") + Derived::kName);
    }
    return Napi::ObjectWrap<Derived>::Unwrap(value.template As<Napi::Object>())->payload();
  }

  const Payload& payload() const {
    if (!payload_) {
      const Error error("ERR_DISPOSED", std::string(Derived::kName) + " was disposed");
      throw to_js_error(this->Env(), std::make_exception_ptr(error));
    }
    return *payload_;
  }

 protected:
  static constexpr int kCounted = 0;  // 1 where the handle counts as a live tensor

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    release(info.Env());
    return info.Env().Undefined();
  }
  Napi::Value disposed(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), !payload_);
  }

 private:
  // The address tells copies of this addon apart: each accepts only the objects that it made.
  static const napi_type_tag& tag() {
    static const napi_type_tag kTag = {reinterpret_cast<uint64_t>(&kTag), 0x6c6174656e747261};
    return kTag;
  }

  void release(Napi::Env env) {
    if (!payload_) return;
    if constexpr (requires { Derived::grower_of(*payload_); }) {
      Environment::of(env).grower_released(env, Derived::grower_of(*payload_));
    }
    if constexpr (requires { Derived::retire(env, std::move(*payload_)); }) {
      Derived::retire(env, std::move(*payload_));
    }
    payload_.reset();
    Environment::of(env).adjust_memory(env, -bytes_, -Derived::kCounted);
  }

  std::optional<Payload> payload_;
  int64_t bytes_ = 0;
};

}  // namespace latentray::binding
