#pragma once

#include <charconv>
#include <cstring>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <system_error>

#include "datasets/base/json.h"

namespace teacache {

// Reads JSON in one pass where it stands, several times faster than a general parser, as long as it
// is plain: the text of programs. It never says what is wrong: whatever is not plain or not right
// makes it give up (false), and the general parser then reads the text again.
class PlainJsonScanner {
 public:
  explicit PlainJsonScanner(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }

  // The next character that is no space, left where it is; '\0' at the end.
  char Peek() {
    SkipSpace();
    return at_ == end_ ? '\0' : *at_;
  }

  bool Take(char c) {
    SkipSpace();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool AtEnd() {
    SkipSpace();
    return at_ == end_;
  }

  // A string without escapes, control characters and bytes outside ASCII.
  bool ReadText(std::string_view* text) {
    if (!Take('"')) return false;
    const char* begin = at_;
    const char* stop = at_;
    while (stop != end_ && *stop != '"') {
      const auto c = static_cast<unsigned char>(*stop);
      if (c < 0x20 || c >= 0x80 || c == '\\') return false;
      ++stop;
    }
    if (stop == end_) return false;
    *text = {begin, static_cast<size_t>(stop - begin)};
    at_ = stop + 1;
    return true;
  }

  // A number, which must be an integer for integer types.
  template <typename Number>
  bool ReadNumber(Number* number) {
    SkipSpace();
    const char* digits = at_ != end_ && *at_ == '-' ? at_ + 1 : at_;
    // What from_chars takes and JSON does not: "inf", "01", "1.", ".5".
    if (digits == end_ || !IsDigit(*digits)) return false;
    if (*digits == '0' && digits + 1 != end_ && IsDigit(digits[1])) return false;
    const auto [stop, error] = std::from_chars(at_, end_, *number);
    if (error != std::errc() || stop[-1] == '.') return false;
    const void* point = std::memchr(at_, '.', static_cast<size_t>(stop - at_));
    if (point != nullptr && !IsDigit(static_cast<const char*>(point)[1])) return false;
    at_ = stop;
    // Behind an integer ".5" or "e3" may follow: then it is not one.
    const char next = Peek();
    return next == ',' || next == '}' || next == ']' || at_ == end_;
  }

  // {"name": ..., ...}: calls field(name) at each value; it reads the value and returns whether it
  // could.
  template <typename Field>
  bool ReadObject(const Field& field) {
    if (!Take('{')) return false;
    do {
      std::string_view name;
      if (!ReadText(&name) || !Take(':') || !field(name)) return false;
    } while (Take(','));
    return Take('}');
  }

 protected:
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  const char* at_;
  const char* end_;
};

// The whole text as a document, the same as the general parser makes of it. False: it has to be
// asked.
bool ParsePlainJson(std::string_view text, nlohmann::json* document);

}  // namespace teacache
