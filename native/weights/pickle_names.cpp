#include "weights/pickle_names.h"

#include <array>
#include <optional>

#include "core/error.h"

namespace latentray::pickle {

namespace {

// What is copied into every tensor's description is short.
constexpr size_t kMaxKeyBytes = 256;
constexpr size_t kMaxDimensions = 16;

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kStorages{{
    {"torch.FloatStorage", at::kFloat},
    {"torch.HalfStorage", at::kHalf},
    {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.DoubleStorage", at::kDouble},
    {"torch.LongStorage", at::kLong},
    {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort},
    {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},
    {"torch.BoolStorage", at::kBool},
}};

constexpr const char* kOrderedDict = "collections.OrderedDict";
constexpr const char* kSize = "torch.Size";
constexpr const char* kTensor = "torch._utils._rebuild_tensor";
constexpr const char* kTensorV2 = "torch._utils._rebuild_tensor_v2";
constexpr const char* kParameter = "torch._utils._rebuild_parameter";
constexpr const char* kParameterClass = "torch.nn.parameter.Parameter";
constexpr const char* kParameterDict = "torch.nn.modules.container.ParameterDict";
constexpr const char* kSet = "builtins.set";
constexpr const char* kOldSet = "__builtin__.set";

std::optional<at::ScalarType> storage_dtype(std::string_view name) {
  for (const auto& [known, dtype] : kStorages) {
    if (name == known) return dtype;
  }
  return std::nullopt;
}

bool is_known(std::string_view name) {
  for (const char* known : {kOrderedDict, kSize, kTensor, kTensorV2, kParameter, kParameterClass,
                            kParameterDict, kSet, kOldSet}) {
    if (name == known) return true;
  }
  return storage_dtype(name).has_value();
}

std::vector<int64_t> integers_of(const Stack& stack, Ref value) {
  const auto& items = stack.as<Sequence>(value, "sizes").items;
  if (items.size() > kMaxDimensions)
    stack.corrupt(c10::str("a tensor of ", items.size(), " dimensions"));
  std::vector<int64_t> integers;
  for (const Ref item : items) {
    integers.push_back(stack.as<int64_t>(item, "a size"));
  }
  return integers;
}

TensorView tensor_of(const Stack& stack, const std::vector<Ref>& arguments) {
  if (arguments.size() < 4) stack.corrupt("a tensor: expected storage, offset, sizes and strides");
  return {stack.as<Storage>(arguments[0], "a tensor's storage"),
          stack.as<int64_t>(arguments[1], "a tensor's offset"), integers_of(stack, arguments[2]),
          integers_of(stack, arguments[3])};
}

// Out of its value, not copied: a file can name one dict as the state of millions of objects.
Dict take_dict(const Stack& stack, Ref value, const char* what) {
  stack.as<Dict>(value, what);
  return std::exchange(std::get<Dict>(value->content), Dict{});
}

}  // namespace

void require_known(const std::string& name, const std::string& origin) {
  if (is_known(name)) return;
  throw Error("ERR_WEIGHTS_UNSAFE",
              origin + ": expected tensors in plain containers, found the name '" + name +
                  "', which a pickle can make a reader call. It was not. Convert the checkpoint to "
                  "safetensors where you trust it",
              {{"path", origin}, {"global", name}});
}

void call(Stack& stack) {
  const auto operands = stack.pop_count(2);
  const std::string& name = stack.as<Global>(operands[0], "a name to call").name;
  const auto& arguments = stack.as<Sequence>(operands[1], "arguments").items;
  if (name == kOrderedDict) {
    if (!arguments.empty()) stack.corrupt("OrderedDict: expected no arguments");
    stack.push(Dict{});
  } else if (name == kSize) {
    if (arguments.size() != 1) stack.corrupt("torch.Size: expected one argument");
    stack.as<Sequence>(arguments[0], "sizes");
    stack.push_ref(arguments[0]);
  } else if (name == kTensor || name == kTensorV2) {
    stack.push(tensor_of(stack, arguments));
  } else if (name == kParameter || name == kParameterClass) {
    if (arguments.empty()) stack.corrupt("a parameter without a tensor");
    stack.as<TensorView>(arguments[0], "a parameter's tensor");
    stack.push_ref(arguments[0]);
  } else if (name == kParameterDict) {
    if (!arguments.empty()) stack.corrupt("ParameterDict: expected no arguments");
    stack.push(ParameterDict{});
  } else if (name == kSet || name == kOldSet) {
    if (arguments.size() > 1) stack.corrupt("set: expected one argument");
    if (arguments.empty()) return stack.push(Sequence{});
    stack.as<Sequence>(arguments[0], "a set's items");
    stack.push_ref(arguments[0]);
  } else {
    stack.corrupt("'" + name + "' is not called in a checkpoint");
  }
}

// State given to an object. A ParameterDict keeps its parameters there, beside what a module keeps
// of its hooks; module.state_dict() hangs version numbers on its dict. Nobody needs the rest.
void give_state(Stack& stack) {
  const Ref state = stack.pop();
  Value& object = *stack.top();
  if (!std::holds_alternative<ParameterDict>(object.content)) {
    stack.top_as<Dict>("a dict to give a state to");
    return;
  }
  const Ref parameters = find(take_dict(stack, state, "a ParameterDict's state"), "_parameters");
  if (parameters == nullptr) stack.corrupt("ParameterDict: expected _parameters");
  object.content = take_dict(stack, parameters, "a ParameterDict's parameters");
}

// ('storage', type, key, location, numel) stands for bytes outside the pickle.
void describe_storage(Stack& stack) {
  const auto& id = stack.as<Sequence>(stack.pop(), "a storage's description").items;
  if (id.size() < 5 || stack.as<std::string>(id[0], "'storage'") != "storage") {
    stack.corrupt("expected a storage's description");
  }
  const auto dtype = storage_dtype(stack.as<Global>(id[1], "a storage's type").name);
  const int64_t numel = stack.as<int64_t>(id[4], "a storage's size");
  if (!dtype || numel < 0) stack.corrupt("expected a storage's type and size");
  if (id.size() > 5 && get_if<None>(id[5]) == nullptr) {
    stack.corrupt(
        "a storage that is a view of another is not read. Save the file again with torch.save");
  }
  const std::string& key = stack.as<std::string>(id[2], "a storage's key");
  if (key.size() > kMaxKeyBytes) stack.corrupt("a storage's key is too long");
  stack.push(Storage{*dtype, key, static_cast<uint64_t>(numel)});
}

}  // namespace latentray::pickle
