#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace teacache {

// A regular expression over UTF-16 text with Python's meaning of \w \d \s \b (of str patterns:
// letters and numbers of all scripts) and of $ (the end, or a line feed at the end). Written in
// Python's syntax as UTF-8; the pattern is compiled once and may be used by several threads.
class UnicodeRegex {
 public:
  explicit UnicodeRegex(std::string_view pattern);

  bool Search(const std::u16string& text) const;
  int Count(const std::u16string& text) const;
  // The end of a match that begins at `position`, or nothing.
  std::optional<size_t> MatchAt(const std::u16string& text, size_t position) const;
  // Every match replaced; "$1" stands for a group.
  std::u16string Replace(const std::u16string& text, std::u16string_view replacement) const;
  std::u16string Replace(const std::u16string& text,
                         const std::function<std::u16string(const std::u16string&)>& change) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

// UTF-8 to UTF-16 and back; bytes that are not UTF-8 become U+FFFD (one per maximal wrong piece).
std::u16string FromUtf8(std::string_view text);
std::string ToUtf8(const std::u16string& text);
// Appends a code point (0 to 0x10ffff).
void AppendCodePoint(std::u16string* text, uint32_t code_point);

// Python's str.isspace() of one UTF-16 unit, str.strip() and str.lower().
bool IsPythonSpace(char16_t c);
std::u16string Strip(const std::u16string& text);
std::u16string LowerCase(const std::u16string& text);
// Unicode normal form C.
std::u16string ComposeNormal(const std::u16string& text);
// What the bytes 0x80 to 0xff mean in a character set of ICU ("windows-1252"); a byte without a
// character stands for the control character of its number.
std::u16string HighCharacters(const char* character_set);
// Normal form KC of one character.
std::u16string CompatibleForm(char16_t c);

}  // namespace teacache
