#include "core/tensor_ops.h"

#include <ATen/ATen.h>

#include <functional>

#include "core/libtorch_error.h"

namespace latentray {

namespace {

class Arguments {
 public:
  Arguments(const std::string& op, const std::vector<at::Tensor>& inputs,
            const OpAttributes& attributes)
      : op_(op), inputs_(inputs), attributes_(attributes) {}

  const std::vector<at::Tensor>& tensors() const { return inputs_; }
  const at::Tensor& tensor(size_t index) const {
    LATENTRAY_CHECK(index < inputs_.size(), "ERR_INVALID_ARG", op_, ": expected ", index + 1,
                    " tensors, received ", inputs_.size());
    return inputs_[index];
  }
  // The second tensor, or the number `value` as one.
  at::Tensor operand() const {
    if (inputs_.size() > 1) return inputs_[1];
    return at::scalar_tensor(attribute<double>("value"), tensor(0).options().device(at::kCPU));
  }
  int64_t integer(const std::string& name) const {
    return static_cast<int64_t>(attribute<double>(name));
  }
  double number(const std::string& name) const { return attribute<double>(name); }
  bool flag(const std::string& name) const { return attribute<bool>(name); }
  const std::vector<int64_t>& integers(const std::string& name) const {
    return attribute<std::vector<int64_t>>(name);
  }

 private:
  template <class T>
  const T& attribute(const std::string& name) const {
    const auto found = attributes_.find(name);
    const T* value = found == attributes_.end() ? nullptr : std::get_if<T>(&found->second);
    LATENTRAY_CHECK(value != nullptr, "ERR_INVALID_ARG", op_, ": attribute '", name,
                    "' is missing or of another type");
    return *value;
  }

  const std::string& op_;
  const std::vector<at::Tensor>& inputs_;
  const OpAttributes& attributes_;
};

using Op = std::function<at::Tensor(const Arguments&)>;

// Integers have no mean or norm of their own.
at::Tensor as_float(const at::Tensor& x) { return x.is_floating_point() ? x : x.to(at::kFloat); }

// x [N, C, H, W]; pixels' centres lie at half, as PIL and PyTorch (align_corners=False) have it.
at::Tensor resized(const at::Tensor& x, at::IntArrayRef size, bool bicubic, bool antialias) {
  if (bicubic) {
    return antialias ? at::_upsample_bicubic2d_aa(x, size, /*align_corners=*/false)
                     : at::upsample_bicubic2d(x, size, /*align_corners=*/false);
  }
  return antialias ? at::_upsample_bilinear2d_aa(x, size, /*align_corners=*/false)
                   : at::upsample_bilinear2d(x, size, /*align_corners=*/false);
}

const std::map<std::string, Op>& operations() {
  static const std::map<std::string, Op> kOperations{
      {"add", [](const Arguments& a) { return a.tensor(0) + a.operand(); }},
      {"sub", [](const Arguments& a) { return a.tensor(0) - a.operand(); }},
      {"mul", [](const Arguments& a) { return a.tensor(0) * a.operand(); }},
      {"div", [](const Arguments& a) { return a.tensor(0) / a.operand(); }},
      {"matmul", [](const Arguments& a) { return at::matmul(a.tensor(0), a.tensor(1)); }},
      {"cat", [](const Arguments& a) { return at::cat(a.tensors(), a.integer("dim")); }},
      {"stack", [](const Arguments& a) { return at::stack(a.tensors(), a.integer("dim")); }},
      {"slice",
       [](const Arguments& a) {
         return a.tensor(0).slice(a.integer("dim"), a.integer("start"), a.integer("end"));
       }},
      {"reshape", [](const Arguments& a) { return a.tensor(0).reshape(a.integers("shape")); }},
      {"permute",
       [](const Arguments& a) { return a.tensor(0).permute(a.integers("dims")).contiguous(); }},
      {"sum",
       [](const Arguments& a) { return a.tensor(0).sum(a.integers("dims"), a.flag("keepdim")); }},
      {"mean",
       [](const Arguments& a) {
         return as_float(a.tensor(0)).mean(a.integers("dims"), a.flag("keepdim"));
       }},
      {"norm",
       [](const Arguments& a) {
         return at::linalg_vector_norm(as_float(a.tensor(0)), 2, a.integers("dims"),
                                       a.flag("keepdim"));
       }},
      {"softmax", [](const Arguments& a) { return a.tensor(0).softmax(a.integer("dim")); }},
      {"clamp",
       [](const Arguments& a) { return a.tensor(0).clamp(a.number("min"), a.number("max")); }},
      {"exp", [](const Arguments& a) { return a.tensor(0).exp(); }},
      {"sqrt", [](const Arguments& a) { return a.tensor(0).sqrt(); }},
      {"resize",
       [](const Arguments& a) {
         return resized(a.tensor(0), a.integers("size"), a.flag("bicubic"), a.flag("antialias"));
       }},
      {"tanh", [](const Arguments& a) { return a.tensor(0).tanh(); }},
  };
  return kOperations;
}

std::string shapes_of(const std::vector<at::Tensor>& inputs) {
  std::string text;
  for (const auto& tensor : inputs) text += c10::str(text.empty() ? "" : ", ", tensor.sizes());
  return text;
}

}  // namespace

at::Tensor run_op(const std::string& name, const std::vector<at::Tensor>& inputs,
                  const OpAttributes& attributes) {
  const auto found = operations().find(name);
  LATENTRAY_CHECK(found != operations().end(), "ERR_INVALID_ARG", "unknown operation '", name, "'");
  LATENTRAY_CHECK(!inputs.empty(), "ERR_INVALID_ARG", name, ": expected at least one tensor");
  try {
    return found->second(Arguments(name, inputs, attributes));
  } catch (const c10::Error& error) {
    if (const auto memory = out_of_memory(error)) throw *memory;
    // LibTorch reports shapes, dtypes and devices that do not fit by one class of error.
    throw Error("ERR_SHAPE",
                c10::str(name, " of ", shapes_of(inputs), ": ", error.what_without_backtrace()));
  }
}

}  // namespace latentray
