#include "weights/pickle_reader.h"

#include <charconv>
#include <cstring>

#include "core/error.h"

namespace latentray::pickle {

void Reader::corrupt(const std::string& what) const {
  throw Error("ERR_WEIGHTS_CORRUPT", c10::str(origin_, ": pickle, byte ", position_, ": ", what),
              {{"path", origin_}});
}

std::string_view Reader::take(uint64_t count) {
  if (count > bytes_.size() - position_) corrupt(c10::str("ends ", count, " bytes too early"));
  const auto taken = bytes_.substr(position_, count);
  position_ += count;
  return taken;
}

std::string_view Reader::take_line() {
  const size_t end = bytes_.find('\n', position_);
  if (end == std::string_view::npos) corrupt("expected a line");
  const auto line = bytes_.substr(position_, end - position_);
  position_ = end + 1;
  return line;
}

uint64_t Reader::take_unsigned(size_t width) {
  uint64_t number = 0;
  std::memcpy(&number, take(width).data(), width);
  return number;
}

int64_t Reader::take_integer_line() { return integer_in(take_line()); }

std::string Reader::take_quoted_line() {
  const auto line = take_line();
  const bool quoted = line.size() >= 2 && line.front() == line.back() &&
                      (line.front() == '\'' || line.front() == '"');
  if (!quoted) corrupt("expected a quoted text");
  return std::string(line.substr(1, line.size() - 2));
}

int64_t Reader::integer_in(std::string_view text) const {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) corrupt("expected an integer");
  return number;
}

}  // namespace latentray::pickle
