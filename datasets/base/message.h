#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace teacache {

// Bytes of the UTF-8 character at the start of `text`; 0 where it begins with none.
inline size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0x80                      ? 1
                        : byte(0) >= 0xC2 && byte(0) < 0xE0 ? 2
                        : byte(0) >= 0xE0 && byte(0) < 0xF0 ? 3
                        : byte(0) >= 0xF0 && byte(0) < 0xF5 ? 4
                                                            : 0;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

// What a program says, which may quote names and values of any origin, as one line of a terminal:
// control characters and bytes that are not UTF-8 are escaped ("\n", "\x1b"), and of a text longer
// than `most` bytes the middle is left out.
inline std::string OneLine(std::string_view text, size_t most = 1000) {
  std::string line;
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (first == '\n' || first == '\t' || first == '\r') {
      line += first == '\n' ? "\\n" : first == '\t' ? "\\t" : "\\r";
    } else if (length == 0 || first < 0x20 || first == 0x7F) {
      line += fmt::format("\\x{:02x}", first);
    } else if (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[1]));  // C1 controls
    } else {
      line += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  if (line.size() <= most) return line;
  const auto boundary = [&line](size_t at) {
    while (at > 0 && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) --at;
    return at;
  };
  // What to do stands at the end.
  return line.substr(0, boundary(most * 2 / 3)) + " ... " +
         line.substr(boundary(line.size() - most / 3));
}

}  // namespace teacache
