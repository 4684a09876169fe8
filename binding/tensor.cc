#include "tensor.h"

#include <ATen/ATen.h>

#include "arguments.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/tensor_ops.h"
#include "job.h"

namespace latentray::binding {

namespace {

// Keeps JavaScript memory alive while a tensor uses it. Tensors die on any thread; the reference
// must be dropped on its own, hence the mailbox.
class BorrowedBuffer {
 public:
  BorrowedBuffer(Napi::Env env, const Napi::Value& buffer)
      : mailbox_(Environment::of(env).mailbox()),
        reference_(new Napi::ObjectReference(Napi::Persistent(buffer.As<Napi::Object>()))) {}

  void release() const {
    mailbox_->post([reference = reference_](Napi::Env) { delete reference; });
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  // Leaked when the environment ended first: Node has dropped the reference itself by then.
  Napi::ObjectReference* reference_;
};

bool is_borrowed(const at::Tensor& tensor) {
  return tensor.defined() && tensor.storage().data_ptr().get_deleter() != nullptr &&
         tensor.storage().allocator() == nullptr;
}

// tensorFromBytes(bytes: Uint8Array over any buffer, shape, dtype)
Napi::Value tensor_from_bytes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    // The N-API call for buffers refuses shared ones; the one for views takes both.
    napi_typedarray_type type{};
    size_t length = 0;
    void* data = nullptr;
    const napi_status status =
        napi_get_typedarray_info(env, info[0], &type, &length, &data, nullptr, nullptr);
    if (status != napi_ok || type != napi_uint8_array) {
      throw Napi::TypeError::New(env, "bytes: expected a Uint8Array");
    }
    const auto shape = integers_argument(info[1], "shape");
    const auto dtype = parse_dtype(string_argument(info[2], "dtype"));
    const size_t needed = c10::multiply_integers(shape) * c10::elementSize(dtype);
    LATENTRAY_CHECK(needed == length, "ERR_SHAPE", "shape ", at::IntArrayRef(shape), " of ",
                    dtype_name(dtype), " needs ", needed, " bytes, received ", length);
    const BorrowedBuffer borrowed(env, info[0]);
    at::Tensor tensor = at::from_blob(
        data, shape, [borrowed](void*) { borrowed.release(); }, at::TensorOptions().dtype(dtype));
    return TensorObject::create(env, std::move(tensor));
  });
}

// fullTensor(shape, value, dtype, device)
Napi::Value full_tensor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto shape = integers_argument(info[0], "shape");
    const auto options = at::TensorOptions()
                             .dtype(parse_dtype(string_argument(info[2], "dtype")))
                             .device(parse_device(string_argument(info[3], "device")));
    return TensorObject::create(info.Env(),
                                at::full(shape, number_argument(info[1], "value"), options));
  });
}

// tensorTo(tensor, dtype, device, token)
Napi::Value tensor_to(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto tensor = tensor_argument(info[0]);
    const auto dtype = parse_dtype(string_argument(info[1], "dtype"));
    const auto device = parse_device(string_argument(info[2], "device"));
    const auto lane = tensor.device().is_cpu() ? device : tensor.device();
    return start_job(
        info.Env(), device_name(lane), cancel_token_argument(info[3]),
        [tensor, dtype, device] { return tensor.to(device, dtype); }, tensor_to_js);
  });
}

OpAttributes attributes_argument(const Napi::Object& object) {
  OpAttributes attributes;
  for (const auto& entry : object) {
    const std::string name = entry.first.As<Napi::String>();
    const Napi::Value value = entry.second;
    if (value.IsBoolean()) {
      attributes[name] = value.As<Napi::Boolean>().Value();
    } else if (value.IsNumber()) {
      attributes[name] = value.As<Napi::Number>().DoubleValue();
    } else {
      attributes[name] = integers_argument(value, name.c_str());
    }
  }
  return attributes;
}

// tensorOp(name, tensors, attributes, token)
Napi::Value tensor_op(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto inputs = tensors_argument(info[1], "tensors");
    const auto lane = inputs.empty() ? at::Device(at::kCPU) : inputs.front().device();
    return start_job(
        info.Env(), device_name(lane), cancel_token_argument(info[3]),
        [name = string_argument(info[0], "name"), inputs,
         attributes = attributes_argument(info[2].As<Napi::Object>())] {
          return run_op(name, inputs, attributes);
        },
        tensor_to_js);
  });
}

// True when JavaScript may look at the memory as it is: dense, on the CPU, aligned for a typed
// array.
bool is_viewable(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.is_contiguous() &&
         reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % tensor.element_size() == 0;
}

Napi::ArrayBuffer copied_buffer(Napi::Env env, const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  auto buffer = Napi::ArrayBuffer::New(env, dense.nbytes());
  std::memcpy(buffer.Data(), dense.const_data_ptr(), dense.nbytes());
  return buffer;
}

}  // namespace

Napi::Function TensorObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&TensorObject::shape>("shape"),
                      InstanceAccessor<&TensorObject::dtype>("dtype"),
                      InstanceAccessor<&TensorObject::device>("device"),
                      InstanceAccessor<&TensorObject::byte_length>("byteLength"),
                      InstanceAccessor("disposed", &TensorObject::disposed, nullptr),
                      InstanceMethod<&TensorObject::buffer>("buffer"),
                      InstanceMethod("dispose", &TensorObject::dispose)});
}

int64_t TensorObject::bytes_of(const at::Tensor& tensor) {
  return is_borrowed(tensor) ? 0 : static_cast<int64_t>(tensor.nbytes());
}

void TensorObject::export_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("tensorFromBytes", Napi::Function::New<tensor_from_bytes>(env));
  exports.Set("fullTensor", Napi::Function::New<full_tensor>(env));
  exports.Set("tensorTo", Napi::Function::New<tensor_to>(env));
  exports.Set("tensorOp", Napi::Function::New<tensor_op>(env));
}

Napi::Value TensorObject::shape(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), payload().sizes());
}

Napi::Value TensorObject::dtype(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), dtype_name(payload().scalar_type()));
}

Napi::Value TensorObject::device(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), device_name(payload().device()));
}

Napi::Value TensorObject::byte_length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(payload().nbytes()));
}

Napi::Value TensorObject::buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const at::Tensor& tensor = payload();
    LATENTRAY_CHECK(tensor.device().is_cpu(), "ERR_DEVICE_UNAVAILABLE", "data(): the tensor is on ",
                    device_name(tensor.device()),
                    ". Call await tensor.to({ device: 'cpu' }) first");
    if (!is_viewable(tensor) || tensor.nbytes() == 0) return copied_buffer(env, tensor);
    try {
      return Napi::ArrayBuffer::New(
          env, tensor.data_ptr(), tensor.nbytes(),
          [](Napi::Env, void*, at::Tensor* owner) { delete owner; }, new at::Tensor(tensor));
    } catch (const Napi::Error&) {
      // Electron refuses external memory.
      return copied_buffer(env, tensor);
    }
  });
}

Napi::Value tensor_to_js(Napi::Env env, at::Tensor tensor) {
  return TensorObject::create(env, std::move(tensor));
}

at::Tensor tensor_argument(const Napi::Value& value) { return TensorObject::payload_of(value); }

std::optional<at::Tensor> optional_tensor_argument(const Napi::Value& value) {
  if (is_absent(value)) return std::nullopt;
  return tensor_argument(value);
}

std::vector<at::Tensor> tensors_argument(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + ": expected an array of tensors");
  }
  const auto array = value.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  for (uint32_t i = 0; i < array.Length(); ++i) tensors.push_back(tensor_argument(array.Get(i)));
  return tensors;
}

}  // namespace latentray::binding
