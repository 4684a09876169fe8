// What a pickle's instructions work on: the stack with its marks, and the memo. Values above the
// latest mark, or the bottom, may be taken; taking what is not there is ERR_WEIGHTS_CORRUPT.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "weights/pickle.h"
#include "weights/pickle_reader.h"

namespace latentray::pickle {

class Stack {
 public:
  // Both outlive the stack; the reader knows the place that messages name.
  Stack(const Reader& reader, Arena& arena) : reader_(reader), arena_(arena) {}

  // A new value.
  template <class T>
  void push(T content) {
    push_value(Value{std::move(content)});
  }
  // A value that is there already.
  void push_ref(Ref value) { values_.push_back(value); }

  Ref top() const;
  Ref pop();
  std::vector<Ref> pop_count(size_t count);

  void mark() { marks_.push_back(values_.size()); }
  std::vector<Ref> pop_to_mark();
  // POP takes a mark where that is on top.
  void pop_value_or_mark();

  void remember(uint64_t index) { memo_[index] = top(); }
  void remember_next() { remember(memo_.size()); }
  void recall(uint64_t index);

  template <class T>
  T& top_as(const char* what) const {
    T* content = std::get_if<T>(&top()->content);
    if (content == nullptr) corrupt(std::string("expected ") + what);
    return *content;
  }
  template <class T>
  const T& as(Ref value, const char* what) const {
    const T* content = get_if<T>(value);
    if (content == nullptr) corrupt(std::string("expected ") + what);
    return *content;
  }

  [[noreturn]] void corrupt(const std::string& what) const { reader_.corrupt(what); }

 private:
  void push_value(Value value);
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  const Reader& reader_;
  Arena& arena_;
  std::vector<Ref> values_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Ref> memo_;
};

}  // namespace latentray::pickle
