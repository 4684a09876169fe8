#include "weights/pickle.h"

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/error.h"

namespace latentray::pickle {

// One file over 300 lines: all instructions work on the same stack, marks and memo, and what a file
// can make the reader do should be read in one place.
namespace {

// A file may make a value a byte, and a value takes a hundred: what no checkpoint needs is refused.
constexpr size_t kMaxValues = 4'000'000;
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

class Unpickler {
 public:
  Unpickler(std::string_view bytes, Arena& arena, const std::string& origin)
      : bytes_(bytes), arena_(arena), origin_(origin) {}

  Loaded run() {
    for (;;) {
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == '.') return {pop(), position_};
      execute(opcode);
    }
  }

 private:
  void execute(unsigned char opcode);
  bool execute_number(unsigned char opcode);
  bool execute_text(unsigned char opcode);
  bool execute_container(unsigned char opcode);
  bool execute_memo(unsigned char opcode);
  bool execute_global(unsigned char opcode);

  [[noreturn]] void corrupt(const std::string& what) const {
    throw Error("ERR_WEIGHTS_CORRUPT", c10::str(origin_, ": pickle, byte ", position_, ": ", what),
                {{"path", origin_}});
  }

  // The next `count` bytes.
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - position_) corrupt(c10::str("ends ", count, " bytes too early"));
    const auto taken = bytes_.substr(position_, count);
    position_ += count;
    return taken;
  }

  std::string_view take_line() {
    const size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) corrupt("expected a line");
    const auto line = bytes_.substr(position_, end - position_);
    position_ = end + 1;
    return line;
  }

  // A little-endian unsigned integer of `width` bytes.
  uint64_t take_unsigned(size_t width) {
    uint64_t number = 0;
    std::memcpy(&number, take(width).data(), width);
    return number;
  }

  void push(Value value) {
    if (arena_.values().size() >= kMaxValues)
      corrupt(c10::str("holds more than ", kMaxValues, " values"));
    stack_.push_back(arena_.make(std::move(value)));
  }
  template <class T>
  void push_content(T content) {
    push(Value{std::move(content)});
  }

  // Values above the latest mark, or the bottom, may be taken.
  Ref pop() {
    if (stack_.size() <= floor()) corrupt("takes from an empty stack");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) corrupt("has no mark to go back to");
    const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    std::vector<Ref> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::vector<Ref> pop_count(size_t count) {
    std::vector<Ref> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  template <class T>
  T& top_as(const char* what) {
    if (stack_.size() <= floor()) corrupt("takes from an empty stack");
    T* content = std::get_if<T>(&stack_.back()->content);
    if (content == nullptr) corrupt(std::string("expected ") + what);
    return *content;
  }

  template <class T>
  const T& as(Ref value, const char* what) const {
    const T* content = get_if<T>(value);
    if (content == nullptr) corrupt(std::string("expected ") + what);
    return *content;
  }

  Dict to_dict(const std::vector<Ref>& keys_and_values) const;
  void push_integer(std::string_view little_endian);
  int64_t parse_integer(std::string_view text) const;
  std::string parse_quoted(std::string_view line) const;
  void push_global(const std::string& name);
  void remember(uint64_t index);
  void recall(uint64_t index);
  void reduce();
  void build();
  Dict take_dict(Ref value, const char* what) const;
  void push_storage();
  TensorView tensor_of(const std::vector<Ref>& arguments) const;
  std::vector<int64_t> integers_of(Ref value) const;

  std::string_view bytes_;
  Arena& arena_;
  const std::string& origin_;
  size_t position_ = 0;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Ref> memo_;
};

void Unpickler::execute(unsigned char opcode) {
  const bool known = execute_number(opcode) || execute_text(opcode) || execute_container(opcode) ||
                     execute_memo(opcode) || execute_global(opcode);
  if (!known) corrupt(c10::str("unknown instruction ", static_cast<int>(opcode)));
}

bool Unpickler::execute_number(unsigned char opcode) {
  switch (opcode) {
    case 'N':
      push_content(None{});
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push_content(opcode == 0x88);
      return true;
    case 'I': {
      const auto text = take_line();
      if (text == "00" || text == "01") {
        push_content(text == "01");
      } else {
        push_content(parse_integer(text));
      }
      return true;
    }
    case 'L': {
      auto text = take_line();
      if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
      push_content(parse_integer(text));
      return true;
    }
    case 'J':  // BININT
      push_content(int64_t{static_cast<int32_t>(take_unsigned(4))});
      return true;
    case 'K':  // BININT1
      push_content(static_cast<int64_t>(take_unsigned(1)));
      return true;
    case 'M':  // BININT2
      push_content(static_cast<int64_t>(take_unsigned(2)));
      return true;
    case 0x8a:  // LONG1
      push_integer(take(take_unsigned(1)));
      return true;
    case 0x8b:  // LONG4
      push_integer(take(take_unsigned(4)));
      return true;
    case 'F': {
      const std::string text(take_line());
      push_content(std::strtod(text.c_str(), nullptr));
      return true;
    }
    case 'G': {  // BINFLOAT, big-endian
      const uint64_t bits = __builtin_bswap64(take_unsigned(8));
      double number = 0;
      std::memcpy(&number, &bits, sizeof number);
      push_content(number);
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::execute_text(unsigned char opcode) {
  switch (opcode) {
    case 'S':
      push_content(parse_quoted(take_line()));
      return true;
    case 'V':
      push_content(std::string(take_line()));
      return true;
    case 'U':   // SHORT_BINSTRING
    case 'C':   // SHORT_BINBYTES
    case 0x8c:  // SHORT_BINUNICODE
      push_content(std::string(take(take_unsigned(1))));
      return true;
    case 'T':  // BINSTRING
    case 'B':  // BINBYTES
    case 'X':  // BINUNICODE
      push_content(std::string(take(take_unsigned(4))));
      return true;
    case 0x8d:  // BINUNICODE8
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push_content(std::string(take(take_unsigned(8))));
      return true;
    default:
      return false;
  }
}

bool Unpickler::execute_container(unsigned char opcode) {
  switch (opcode) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case '0':  // POP takes a mark where that is on top
      if (!marks_.empty() && stack_.size() == marks_.back()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return true;
    case '1':  // POP_MARK
      pop_to_mark();
      return true;
    case '2': {  // DUP
      const Ref top = pop();
      stack_.insert(stack_.end(), {top, top});
      return true;
    }
    case ']':   // EMPTY_LIST
    case ')':   // EMPTY_TUPLE
    case 0x8f:  // EMPTY_SET
      push_content(Sequence{});
      return true;
    case 'l':   // LIST
    case 't':   // TUPLE
    case 0x91:  // FROZENSET
      push_content(Sequence{pop_to_mark()});
      return true;
    case 0x85:  // TUPLE1 to TUPLE3
    case 0x86:
    case 0x87:
      push_content(Sequence{pop_count(opcode - 0x84)});
      return true;
    case 'a': {  // APPEND
      const Ref item = pop();
      top_as<Sequence>("a list").items.push_back(item);
      return true;
    }
    case 'e':     // APPENDS
    case 0x90: {  // ADDITEMS
      const auto added = pop_to_mark();
      auto& items = top_as<Sequence>("a list").items;
      items.insert(items.end(), added.begin(), added.end());
      return true;
    }
    case '}':  // EMPTY_DICT
      push_content(Dict{});
      return true;
    case 'd':  // DICT
      push_content(to_dict(pop_to_mark()));
      return true;
    case 's':    // SETITEM
    case 'u': {  // SETITEMS
      const auto added = to_dict(opcode == 's' ? pop_count(2) : pop_to_mark()).items;
      auto& items = top_as<Dict>("a dict").items;
      items.insert(items.end(), added.begin(), added.end());
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::execute_memo(unsigned char opcode) {
  switch (opcode) {
    case 'g':  // GET
      recall(static_cast<uint64_t>(parse_integer(take_line())));
      return true;
    case 'h':  // BINGET
      recall(take_unsigned(1));
      return true;
    case 'j':  // LONG_BINGET
      recall(take_unsigned(4));
      return true;
    case 'p':  // PUT
      remember(static_cast<uint64_t>(parse_integer(take_line())));
      return true;
    case 'q':  // BINPUT
      remember(take_unsigned(1));
      return true;
    case 'r':  // LONG_BINPUT
      remember(take_unsigned(4));
      return true;
    case 0x94:  // MEMOIZE
      remember(memo_.size());
      return true;
    default:
      return false;
  }
}

bool Unpickler::execute_global(unsigned char opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (const auto protocol = take_unsigned(1); protocol > 5) {
        corrupt(c10::str("protocol ", protocol, " is not known"));
      }
      return true;
    case 0x95:  // FRAME
      take_unsigned(8);
      return true;
    case 'c':    // GLOBAL
    case 'i': {  // INST, whose arguments lie on the stack: no name that is known here has any
      const std::string module(take_line());
      push_global(module + "." + std::string(take_line()));
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const auto names = pop_count(2);
      push_global(as<std::string>(names[0], "a module's name") + "." +
                  as<std::string>(names[1], "a name"));
      return true;
    }
    case 'Q':  // BINPERSID
      push_storage();
      return true;
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      reduce();
      return true;
    case 'b':
      build();
      return true;
    case 0x82:  // EXT1 to EXT4: names by number, from a registry of the reader's
    case 0x83:
    case 0x84:
      push_global("copyreg extension");
      return true;
    default:
      return false;
  }
}

Dict Unpickler::to_dict(const std::vector<Ref>& keys_and_values) const {
  if (keys_and_values.size() % 2 != 0) corrupt("a dict's key has no value");
  Dict dict;
  for (size_t i = 0; i < keys_and_values.size(); i += 2) {
    dict.items.emplace_back(keys_and_values[i], keys_and_values[i + 1]);
  }
  return dict;
}

void Unpickler::push_integer(std::string_view little_endian) {
  if (little_endian.size() > 8) return push_content(BigInteger{std::string(little_endian)});
  const bool negative = !little_endian.empty() && (little_endian.back() & 0x80) != 0;
  int64_t number = negative ? -1 : 0;
  std::memcpy(&number, little_endian.data(), little_endian.size());
  push_content(number);
}

int64_t Unpickler::parse_integer(std::string_view text) const {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) corrupt("expected an integer");
  return number;
}

std::string Unpickler::parse_quoted(std::string_view line) const {
  const bool quoted = line.size() >= 2 && line.front() == line.back() &&
                      (line.front() == '\'' || line.front() == '"');
  if (!quoted) corrupt("expected a quoted text");
  return std::string(line.substr(1, line.size() - 2));
}

void Unpickler::push_global(const std::string& name) {
  if (is_known(name)) return push_content(Global{name});
  throw Error("ERR_WEIGHTS_UNSAFE",
              origin_ + ": expected tensors in plain containers, found the name '" + name +
                  "', which a pickle can make a reader call. It was not. Convert the checkpoint to "
                  "safetensors where you trust it",
              {{"path", origin_}, {"global", name}});
}

void Unpickler::remember(uint64_t index) {
  if (stack_.size() <= floor()) corrupt("takes from an empty stack");
  memo_[index] = stack_.back();
}

void Unpickler::recall(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) corrupt(c10::str("has no memo ", index));
  stack_.push_back(found->second);
}

// Stands for the call `name(*arguments)` of one of the known names.
void Unpickler::reduce() {
  const auto operands = pop_count(2);
  const std::string& name = as<Global>(operands[0], "a name to call").name;
  const auto& arguments = as<Sequence>(operands[1], "arguments").items;
  if (name == kOrderedDict) {
    if (!arguments.empty()) corrupt("OrderedDict: expected no arguments");
    push_content(Dict{});
  } else if (name == kSize) {
    if (arguments.size() != 1) corrupt("torch.Size: expected one argument");
    as<Sequence>(arguments[0], "sizes");
    stack_.push_back(arguments[0]);
  } else if (name == kTensor || name == kTensorV2) {
    push_content(tensor_of(arguments));
  } else if (name == kParameter || name == kParameterClass) {
    if (arguments.empty()) corrupt("a parameter without a tensor");
    as<TensorView>(arguments[0], "a parameter's tensor");
    stack_.push_back(arguments[0]);
  } else if (name == kParameterDict) {
    if (!arguments.empty()) corrupt("ParameterDict: expected no arguments");
    push_content(ParameterDict{});
  } else if (name == kSet || name == kOldSet) {
    if (arguments.size() > 1) corrupt("set: expected one argument");
    if (arguments.empty()) return push_content(Sequence{});
    as<Sequence>(arguments[0], "a set's items");
    stack_.push_back(arguments[0]);
  } else {
    corrupt("'" + name + "' is not called in a checkpoint");
  }
}

// State given to an object. A ParameterDict keeps its parameters there, beside what a module keeps
// of its hooks; module.state_dict() hangs version numbers on its dict. Nobody needs the rest.
void Unpickler::build() {
  const Ref state = pop();
  if (stack_.size() <= floor()) corrupt("takes from an empty stack");
  Value& object = *stack_.back();
  if (!std::holds_alternative<ParameterDict>(object.content)) {
    top_as<Dict>("a dict to give a state to");
    return;
  }
  const Ref parameters = find(take_dict(state, "a ParameterDict's state"), "_parameters");
  if (parameters == nullptr) corrupt("ParameterDict: expected _parameters");
  object.content = take_dict(parameters, "a ParameterDict's parameters");
}

// Out of its value, not copied: a file can name one dict as the state of millions of objects.
Dict Unpickler::take_dict(Ref value, const char* what) const {
  as<Dict>(value, what);
  return std::exchange(std::get<Dict>(value->content), Dict{});
}

// ('storage', type, key, location, numel) stands for bytes outside the pickle.
void Unpickler::push_storage() {
  const auto& id = as<Sequence>(pop(), "a storage's description").items;
  if (id.size() < 5 || as<std::string>(id[0], "'storage'") != "storage") {
    corrupt("expected a storage's description");
  }
  const auto dtype = storage_dtype(as<Global>(id[1], "a storage's type").name);
  const int64_t numel = as<int64_t>(id[4], "a storage's size");
  if (!dtype || numel < 0) corrupt("expected a storage's type and size");
  if (id.size() > 5 && get_if<None>(id[5]) == nullptr) {
    corrupt("a storage that is a view of another is not read. Save the file again with torch.save");
  }
  const std::string& key = as<std::string>(id[2], "a storage's key");
  if (key.size() > kMaxKeyBytes) corrupt("a storage's key is too long");
  push_content(Storage{*dtype, key, static_cast<uint64_t>(numel)});
}

TensorView Unpickler::tensor_of(const std::vector<Ref>& arguments) const {
  if (arguments.size() < 4) corrupt("a tensor: expected storage, offset, sizes and strides");
  return {as<Storage>(arguments[0], "a tensor's storage"),
          as<int64_t>(arguments[1], "a tensor's offset"), integers_of(arguments[2]),
          integers_of(arguments[3])};
}

std::vector<int64_t> Unpickler::integers_of(Ref value) const {
  const auto& items = as<Sequence>(value, "sizes").items;
  if (items.size() > kMaxDimensions) corrupt(c10::str("a tensor of ", items.size(), " dimensions"));
  std::vector<int64_t> integers;
  for (const Ref item : items) {
    integers.push_back(as<int64_t>(item, "a size"));
  }
  return integers;
}

}  // namespace

Ref find(const Dict& dict, std::string_view key) {
  for (auto item = dict.items.rbegin(); item != dict.items.rend(); ++item) {
    const auto* text = get_if<std::string>(item->first);
    if (text != nullptr && *text == key) return item->second;
  }
  return nullptr;
}

Ref Arena::make(Value value) { return &values_.emplace_back(std::move(value)); }

Loaded load(std::string_view bytes, Arena& arena, const std::string& origin) {
  return Unpickler(bytes, arena, origin).run();
}

}  // namespace latentray::pickle
