#pragma once

// RFC 4180 rows of a CSV file.

#include <charconv>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "datasets/base/error.h"

namespace teacache {

// Without blanks and tabs at the ends.
std::string_view TrimBlanks(std::string_view text);

// The whole text as a number, blanks and a plus sign allowed.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  text = TrimBlanks(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

// CSV line by line, and a line field by field (RFC 4180, but no line ends inside quotes). Nothing
// is copied but fields with doubled quotes; what is returned holds until the next line.
class CsvReader {
 public:
  // `text` and `where` must outlive the reader.
  CsvReader(std::string_view text, std::string_view where)
      : next_(text.data()), end_(text.data() + text.size()), where_(where) {}

  // Goes to the next line that is not empty; false at the end.
  bool NextLine();

  bool line_done() const { return line_done_; }
  int line() const { return line_; }
  std::string where() const;  // "file:line"

  // The next field, without quotes. Throws UserError for quotes that are not closed.
  std::string_view Field();

  // The next field; throws UserError naming the column where it is no number.
  template <typename Number>
  Number ReadNumber(std::string_view column) {
    Number number{};
    const auto [stop, error] = std::from_chars(at_, line_end_, number);
    if (error == std::errc() && (stop == line_end_ || *stop == ',')) {
      at_ = stop;
      PassComma();
      return number;
    }
    // Not quite as plain: blanks, quotes, a plus sign - or a mistake.
    const std::string_view field = Field();
    const auto value = ParseNumber<Number>(field);
    if (!value) {
      ThrowUserError(where(),
                     "{} must be {} but is \"{}\"",
                     column,
                     std::is_integral_v<Number> ? "an integer" : "a number",
                     std::string(field.substr(0, 40)));
    }
    return *value;
  }

 private:
  const char* Find(const char* from, char c) const {
    while (from < line_end_ && *from != c) ++from;
    return from;
  }

  void PassComma() {
    if (at_ == line_end_) {
      line_done_ = true;
    } else {
      ++at_;
    }
  }

  std::string_view QuotedField();

  const char* next_;
  const char* end_;
  const char* at_ = nullptr;
  const char* line_end_ = nullptr;
  bool line_done_ = true;
  int line_ = 0;
  std::string_view where_;
  std::deque<std::string> unquoted_;  // of this line, those with doubled quotes
};

}  // namespace teacache
