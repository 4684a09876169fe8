// The bytes of one pickle, read from the front. Every way to take some checks that they are there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace latentray::pickle {

class Reader {
 public:
  // `origin` (a path) opens every message, and outlives the reader.
  Reader(std::string_view bytes, const std::string& origin) : bytes_(bytes), origin_(origin) {}

  // ERR_WEIGHTS_CORRUPT with the place.
  [[noreturn]] void corrupt(const std::string& what) const;

  std::string_view take(uint64_t count);
  // Up to a line's end, which is left out.
  std::string_view take_line();
  // A little-endian unsigned integer of `width` bytes, at most eight.
  uint64_t take_unsigned(size_t width);
  // A line that is an integer, or a text in quotes.
  int64_t take_integer_line();
  std::string take_quoted_line();

  int64_t integer_in(std::string_view text) const;

  size_t position() const { return position_; }
  const std::string& origin() const { return origin_; }

 private:
  std::string_view bytes_;
  const std::string& origin_;
  size_t position_ = 0;
};

}  // namespace latentray::pickle
