// Character references: the list of HTML 5 (html_entities.txt: name, then code points in
// hexadecimal) and the rules for numbers.

#include "runners/text/cleaning/embedded/html_entities.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>
#include <string_view>

#include "runners/text/cleaning/html_text.h"
#include "runners/text/cleaning/unicode_regex.h"

namespace teacache {
namespace {

using Entities = std::map<std::u16string, std::u16string>;

Entities ReadEntities() {
  Entities entities;
  std::istringstream lines{std::string(embedded::html_entities())};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    fields >> name;
    std::u16string text;
    for (uint32_t code; fields >> std::hex >> code;) AppendCodePoint(&text, code);
    entities.emplace(FromUtf8(name), std::move(text));
  }
  return entities;
}

const Entities& AllEntities() {
  static const Entities kEntities = ReadEntities();
  return kEntities;
}

// What the numbers 0x80 to 0x9f mean on the web: those characters of Windows-1252.
constexpr char16_t kWindows1252[] =
    u"\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030"
    u"\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c"
    u"\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d"
    u"\u017e\u0178";

// Numbers that html.unescape() gives nothing for.
bool IsDropped(uint32_t code) {
  const bool control =
      (code >= 1 && code <= 8) || code == 0xb || (code >= 0xe && code <= 0x1f) || code == 0x7f;
  return control || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
}

// "38" or "x26" -> the number; too large ones become 0x110000.
uint32_t ParseNumber(const std::u16string& reference) {
  std::string digits(reference.begin(), reference.end());
  const bool hex = digits[0] == 'x' || digits[0] == 'X';
  if (hex) digits.erase(0, 1);
  uint32_t code = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  return error == std::errc() ? std::min(code, uint32_t{0x110000}) : 0x110000;
}

std::u16string Resolve(const std::u16string& match) {
  const std::u16string reference = match.substr(1);
  if (reference[0] == '#') {
    const std::u16string number = reference.substr(1, reference.find(u';') - 1);
    return IsDropped(ParseNumber(number)) ? u"" : HtmlNumber(number);
  }
  if (const std::u16string* text = FindHtmlEntity(reference)) return *text;
  for (size_t size = reference.size() - 1; size > 1; --size) {
    if (const std::u16string* text = FindHtmlEntity(reference.substr(0, size))) {
      return *text + reference.substr(size);
    }
  }
  return match;
}

}  // namespace

const std::u16string* FindHtmlEntity(const std::u16string& name) {
  const auto it = AllEntities().find(name);
  return it == AllEntities().end() ? nullptr : &it->second;
}

std::u16string HtmlNumber(const std::u16string& number) {
  const uint32_t code = ParseNumber(number);
  if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return u"\ufffd";
  if (code >= 0x80 && code <= 0x9f) return {kWindows1252[code - 0x80]};
  std::u16string text;
  AppendCodePoint(&text, code);
  return text;
}

std::u16string HtmlUnescape(const std::u16string& text) {
  if (text.find(u'&') == std::u16string::npos) return text;
  static const UnicodeRegex kReference(
      R"(&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <\&#;]{1,32};?))");
  return kReference.Replace(text, Resolve);
}

}  // namespace teacache
