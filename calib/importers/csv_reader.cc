#include "calib/importers/csv_reader.h"

#include <fmt/format.h>

#include <cstring>

namespace teacache {

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool CsvReader::NextLine() {
  unquoted_.clear();
  while (next_ < end_) {
    at_ = next_;
    const void* feed = std::memchr(next_, '\n', static_cast<size_t>(end_ - next_));
    line_end_ = feed == nullptr ? end_ : static_cast<const char*>(feed);
    next_ = feed == nullptr ? end_ : line_end_ + 1;
    ++line_;
    if (line_end_ > at_ && line_end_[-1] == '\r') --line_end_;
    line_done_ = false;
    if (line_end_ > at_) return true;
  }
  return false;
}

std::string CsvReader::where() const { return fmt::format("{}:{}", where_, line_); }

std::string_view CsvReader::Field() {
  if (at_ < line_end_ && *at_ == '"') return QuotedField();
  const char* begin = at_;
  at_ = Find(begin, ',');
  const std::string_view field(begin, static_cast<size_t>(at_ - begin));
  PassComma();
  return field;
}

std::string_view CsvReader::QuotedField() {
  const char* const begin = at_ + 1;
  bool doubled = false;
  const char* stop = Find(begin, '"');
  while (line_end_ - stop > 1 && stop[1] == '"') {
    doubled = true;
    stop = Find(stop + 2, '"');
  }
  if (stop == line_end_) ThrowUserError(where(), "a quote must be closed but is not");
  at_ = Find(stop, ',');
  const std::string_view rest(stop + 1, static_cast<size_t>(at_ - stop - 1));
  if (!TrimBlanks(rest).empty()) {
    ThrowUserError(where(),
                   "a comma must follow a closed quote but \"{}\" does (double the quotes inside "
                   "quotes)",
                   std::string(rest.substr(0, 40)));
  }
  PassComma();
  const std::string_view field(begin, static_cast<size_t>(stop - begin));
  if (!doubled) return field;
  std::string& text = unquoted_.emplace_back();
  for (size_t i = 0; i < field.size(); ++i) {
    text += field[i];
    if (field[i] == '"') ++i;
  }
  return text;
}

}  // namespace teacache
