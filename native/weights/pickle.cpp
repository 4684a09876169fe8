#include "weights/pickle.h"

#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "weights/pickle_names.h"
#include "weights/pickle_reader.h"
#include "weights/pickle_stack.h"

namespace latentray::pickle {

namespace {

class Unpickler {
 public:
  Unpickler(std::string_view bytes, Arena& arena, const std::string& origin)
      : reader_(bytes, origin), stack_(reader_, arena) {}

  Loaded run() {
    for (;;) {
      const auto opcode = static_cast<unsigned char>(reader_.take(1)[0]);
      if (opcode == '.') return {stack_.pop(), reader_.position()};
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

  Dict to_dict(const std::vector<Ref>& keys_and_values) const;
  void push_integer(std::string_view little_endian);
  void push_global(const std::string& name);

  Reader reader_;
  Stack stack_;
};

void Unpickler::execute(unsigned char opcode) {
  const bool known = execute_number(opcode) || execute_text(opcode) || execute_container(opcode) ||
                     execute_memo(opcode) || execute_global(opcode);
  if (!known) reader_.corrupt(c10::str("unknown instruction ", static_cast<int>(opcode)));
}

bool Unpickler::execute_number(unsigned char opcode) {
  switch (opcode) {
    case 'N':
      stack_.push(None{});
      return true;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      stack_.push(opcode == 0x88);
      return true;
    case 'I': {
      const auto text = reader_.take_line();
      if (text == "00" || text == "01") {
        stack_.push(text == "01");
      } else {
        stack_.push(reader_.integer_in(text));
      }
      return true;
    }
    case 'L': {
      auto text = reader_.take_line();
      if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
      stack_.push(reader_.integer_in(text));
      return true;
    }
    case 'J':  // BININT
      stack_.push(int64_t{static_cast<int32_t>(reader_.take_unsigned(4))});
      return true;
    case 'K':  // BININT1
      stack_.push(static_cast<int64_t>(reader_.take_unsigned(1)));
      return true;
    case 'M':  // BININT2
      stack_.push(static_cast<int64_t>(reader_.take_unsigned(2)));
      return true;
    case 0x8a:  // LONG1
      push_integer(reader_.take(reader_.take_unsigned(1)));
      return true;
    case 0x8b:  // LONG4
      push_integer(reader_.take(reader_.take_unsigned(4)));
      return true;
    case 'F': {
      const std::string text(reader_.take_line());
      stack_.push(std::strtod(text.c_str(), nullptr));
      return true;
    }
    case 'G': {  // BINFLOAT, big-endian
      const uint64_t bits = __builtin_bswap64(reader_.take_unsigned(8));
      double number = 0;
      std::memcpy(&number, &bits, sizeof number);
      stack_.push(number);
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::execute_text(unsigned char opcode) {
  switch (opcode) {
    case 'S':
      stack_.push(reader_.take_quoted_line());
      return true;
    case 'V':
      stack_.push(std::string(reader_.take_line()));
      return true;
    case 'U':   // SHORT_BINSTRING
    case 'C':   // SHORT_BINBYTES
    case 0x8c:  // SHORT_BINUNICODE
      stack_.push(std::string(reader_.take(reader_.take_unsigned(1))));
      return true;
    case 'T':  // BINSTRING
    case 'B':  // BINBYTES
    case 'X':  // BINUNICODE
      stack_.push(std::string(reader_.take(reader_.take_unsigned(4))));
      return true;
    case 0x8d:  // BINUNICODE8
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      stack_.push(std::string(reader_.take(reader_.take_unsigned(8))));
      return true;
    default:
      return false;
  }
}

bool Unpickler::execute_container(unsigned char opcode) {
  switch (opcode) {
    case '(':
      stack_.mark();
      return true;
    case '0':  // POP takes a mark where that is on top
      stack_.pop_value_or_mark();
      return true;
    case '1':  // POP_MARK
      stack_.pop_to_mark();
      return true;
    case '2':  // DUP
      stack_.push_ref(stack_.top());
      return true;
    case ']':   // EMPTY_LIST
    case ')':   // EMPTY_TUPLE
    case 0x8f:  // EMPTY_SET
      stack_.push(Sequence{});
      return true;
    case 'l':   // LIST
    case 't':   // TUPLE
    case 0x91:  // FROZENSET
      stack_.push(Sequence{stack_.pop_to_mark()});
      return true;
    case 0x85:  // TUPLE1 to TUPLE3
    case 0x86:
    case 0x87:
      stack_.push(Sequence{stack_.pop_count(opcode - 0x84)});
      return true;
    case 'a': {  // APPEND
      const Ref item = stack_.pop();
      stack_.top_as<Sequence>("a list").items.push_back(item);
      return true;
    }
    case 'e':     // APPENDS
    case 0x90: {  // ADDITEMS
      const auto added = stack_.pop_to_mark();
      auto& items = stack_.top_as<Sequence>("a list").items;
      items.insert(items.end(), added.begin(), added.end());
      return true;
    }
    case '}':  // EMPTY_DICT
      stack_.push(Dict{});
      return true;
    case 'd':  // DICT
      stack_.push(to_dict(stack_.pop_to_mark()));
      return true;
    case 's':    // SETITEM
    case 'u': {  // SETITEMS
      const auto added = to_dict(opcode == 's' ? stack_.pop_count(2) : stack_.pop_to_mark()).items;
      auto& items = stack_.top_as<Dict>("a dict").items;
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
      stack_.recall(static_cast<uint64_t>(reader_.take_integer_line()));
      return true;
    case 'h':  // BINGET
      stack_.recall(reader_.take_unsigned(1));
      return true;
    case 'j':  // LONG_BINGET
      stack_.recall(reader_.take_unsigned(4));
      return true;
    case 'p':  // PUT
      stack_.remember(static_cast<uint64_t>(reader_.take_integer_line()));
      return true;
    case 'q':  // BINPUT
      stack_.remember(reader_.take_unsigned(1));
      return true;
    case 'r':  // LONG_BINPUT
      stack_.remember(reader_.take_unsigned(4));
      return true;
    case 0x94:  // MEMOIZE
      stack_.remember_next();
      return true;
    default:
      return false;
  }
}

bool Unpickler::execute_global(unsigned char opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (const auto protocol = reader_.take_unsigned(1); protocol > 5) {
        reader_.corrupt(c10::str("protocol ", protocol, " is not known"));
      }
      return true;
    case 0x95:  // FRAME
      reader_.take_unsigned(8);
      return true;
    case 'c':    // GLOBAL
    case 'i': {  // INST, whose arguments lie on the stack: no name that is known here has any
      const std::string module(reader_.take_line());
      push_global(module + "." + std::string(reader_.take_line()));
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const auto names = stack_.pop_count(2);
      push_global(stack_.as<std::string>(names[0], "a module's name") + "." +
                  stack_.as<std::string>(names[1], "a name"));
      return true;
    }
    case 'Q':  // BINPERSID
      describe_storage(stack_);
      return true;
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      call(stack_);
      return true;
    case 'b':
      give_state(stack_);
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
  if (keys_and_values.size() % 2 != 0) reader_.corrupt("a dict's key has no value");
  Dict dict;
  for (size_t i = 0; i < keys_and_values.size(); i += 2) {
    dict.items.emplace_back(keys_and_values[i], keys_and_values[i + 1]);
  }
  return dict;
}

void Unpickler::push_integer(std::string_view little_endian) {
  if (little_endian.size() > 8) return stack_.push(BigInteger{std::string(little_endian)});
  const bool negative = !little_endian.empty() && (little_endian.back() & 0x80) != 0;
  int64_t number = negative ? -1 : 0;
  std::memcpy(&number, little_endian.data(), little_endian.size());
  stack_.push(number);
}

void Unpickler::push_global(const std::string& name) {
  require_known(name, reader_.origin());
  stack_.push(Global{name});
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
