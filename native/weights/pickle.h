// Python's pickle, as far as checkpoints use it: plain containers, numbers, texts and descriptions
// of tensors. Nothing that a file names is ever imported, called or instantiated; a name outside
// the few that describe tensors is ERR_WEIGHTS_UNSAFE at the moment it is read. References: CPython
// Lib/pickletools.py (the opcodes), torch/_weights_only_unpickler.py.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace latentray::pickle {

struct Value;
using Ref = Value*;  // lives as long as its Arena

struct None {};
struct BigInteger {
  std::string little_endian;
};
struct Sequence {  // list, tuple, set
  std::vector<Ref> items;
};
struct Dict {
  std::vector<std::pair<Ref, Ref>> items;  // in the file's order; a later key wins
};
// torch.nn.ParameterDict before its state is known; then it is the Dict of its parameters.
struct ParameterDict {};
struct Global {
  std::string name;  // "torch._utils._rebuild_tensor_v2"
};
// A storage that lies outside the pickle, in its file's own order or archive.
struct Storage {
  at::ScalarType dtype;
  std::string key;
  uint64_t numel;
};
struct TensorView {
  Storage storage;
  int64_t offset;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

struct Value {
  std::variant<None, bool, int64_t, BigInteger, double, std::string, Sequence, Dict, ParameterDict,
               Global, Storage, TensorView>
      content;
};

// What `value` holds, or nothing when it holds something else.
template <class T>
const T* get_if(const Ref& value) {
  return std::get_if<T>(&value->content);
}

// The entry of `dict` under a text, or nothing.
Ref find(const Dict& dict, std::string_view key);

// Owns the values: a file may make them refer to each other in circles.
class Arena {
 public:
  Ref make(Value value);
  const std::deque<Value>& values() const { return values_; }

 private:
  std::deque<Value> values_;
};

struct Loaded {
  Ref value;
  size_t bytes;  // of the input, up to and with STOP
};

// Reads one pickle from the front of `bytes`. ERR_WEIGHTS_CORRUPT or ERR_WEIGHTS_UNSAFE, beginning
// with `origin`.
Loaded load(std::string_view bytes, Arena& arena, const std::string& origin);

}  // namespace latentray::pickle
