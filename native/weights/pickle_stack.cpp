#include "weights/pickle_stack.h"

#include <c10/util/StringUtil.h>

namespace latentray::pickle {

namespace {

// A file may make a value a byte, and a value takes a hundred: what no checkpoint needs is refused.
constexpr size_t kMaxValues = 4'000'000;

}  // namespace

void Stack::push_value(Value value) {
  if (arena_.values().size() >= kMaxValues) {
    corrupt(c10::str("holds more than ", kMaxValues, " values"));
  }
  push_ref(arena_.make(std::move(value)));
}

Ref Stack::top() const {
  if (values_.size() <= floor()) corrupt("takes from an empty stack");
  return values_.back();
}

Ref Stack::pop() {
  const Ref value = top();
  values_.pop_back();
  return value;
}

std::vector<Ref> Stack::pop_count(size_t count) {
  std::vector<Ref> items(count);
  for (size_t i = count; i-- > 0;) items[i] = pop();
  return items;
}

std::vector<Ref> Stack::pop_to_mark() {
  if (marks_.empty()) corrupt("has no mark to go back to");
  const auto begin = values_.begin() + static_cast<ptrdiff_t>(marks_.back());
  std::vector<Ref> items(begin, values_.end());
  values_.erase(begin, values_.end());
  marks_.pop_back();
  return items;
}

void Stack::pop_value_or_mark() {
  if (!marks_.empty() && values_.size() == marks_.back()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

void Stack::recall(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) corrupt(c10::str("has no memo ", index));
  push_ref(found->second);
}

}  // namespace latentray::pickle
