#include "runners/text/cleaning/unicode_regex.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/regex.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>

#include <stdexcept>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using icu::UnicodeString;

// Python's classes. ICU's \w knows marks and no numbers but decimal digits; its \b likewise.
constexpr std::string_view kWord = "\\p{L}\\p{N}_";
constexpr std::string_view kSpace = "\\t-\\r\\x{1c}-\\x{20}\\x{85}\\p{Z}";

std::string ToIcuSyntax(std::string_view pattern) {
  std::string icu;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      icu += pattern[i];
      continue;
    }
    switch (const char c = pattern[++i]) {
      case 'w':
        icu += fmt::format("[{}]", kWord);
        break;
      case 'W':
        icu += fmt::format("[^{}]", kWord);
        break;
      case 'd':
        icu += "\\p{Nd}";
        break;
      case 'D':
        icu += "\\P{Nd}";
        break;
      case 's':
        icu += fmt::format("[{}]", kSpace);
        break;
      case 'S':
        icu += fmt::format("[^{}]", kSpace);
        break;
      case 'b':
        icu += fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWord);
        break;
      default:
        icu += '\\';
        icu += c;
    }
  }
  return icu;
}

void Check(UErrorCode status, const char* what) {
  if (U_SUCCESS(status)) return;
  if (status == U_REGEX_STACK_OVERFLOW || status == U_REGEX_TIME_OUT) {
    ThrowUserError("prompt", "is too long to be cleaned");
  }
  throw std::runtime_error(fmt::format("ICU: {}: {}", what, u_errorName(status)));
}

// A view of the text, not a copy.
UnicodeString Alias(const std::u16string& text) {
  return {false, text.data(), static_cast<int32_t>(text.size())};
}

std::u16string ToStd(const UnicodeString& text) {
  return {text.getBuffer(), static_cast<size_t>(text.length())};
}

const icu::Normalizer2& Normalizer(bool compatible) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = compatible ? icu::Normalizer2::getNFKCInstance(status)
                                                  : icu::Normalizer2::getNFCInstance(status);
  Check(status, "normalizer");
  return *normalizer;
}

std::u16string Normalize(const icu::Normalizer2& normalizer, const std::u16string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const UnicodeString normal = normalizer.normalize(Alias(text), status);
  Check(status, "normalize");
  return ToStd(normal);
}

}  // namespace

struct UnicodeRegex::Compiled {
  std::unique_ptr<icu::RegexPattern> pattern;

  // The text must outlive the matcher.
  std::unique_ptr<icu::RegexMatcher> Match(const UnicodeString& text) const {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::RegexMatcher> matcher(pattern->matcher(text, status));
    Check(status, "matcher");
    return matcher;
  }
};

UnicodeRegex::UnicodeRegex(std::string_view pattern) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  const UnicodeString text = UnicodeString::fromUTF8(ToIcuSyntax(pattern));
  auto compiled = std::make_shared<Compiled>();
  compiled->pattern.reset(icu::RegexPattern::compile(text, UREGEX_UNIX_LINES, where, status));
  Check(status, "pattern");
  compiled_ = std::move(compiled);
}

bool UnicodeRegex::Search(const std::u16string& text) const {
  const UnicodeString input = Alias(text);
  UErrorCode status = U_ZERO_ERROR;
  const bool found = compiled_->Match(input)->find(status);
  Check(status, "find");
  return found;
}

std::optional<size_t> UnicodeRegex::MatchAt(const std::u16string& text, size_t position) const {
  const UnicodeString input = Alias(text);
  const auto matcher = compiled_->Match(input);
  UErrorCode status = U_ZERO_ERROR;
  if (!matcher->lookingAt(static_cast<int64_t>(position), status)) {
    Check(status, "match");
    return std::nullopt;
  }
  return static_cast<size_t>(matcher->end(status));
}

int UnicodeRegex::Count(const std::u16string& text) const {
  const UnicodeString input = Alias(text);
  const auto matcher = compiled_->Match(input);
  int count = 0;
  UErrorCode status = U_ZERO_ERROR;
  while (matcher->find(status)) ++count;
  Check(status, "find");
  return count;
}

std::u16string UnicodeRegex::Replace(const std::u16string& text,
                                     std::u16string_view replacement) const {
  const UnicodeString input = Alias(text);
  UErrorCode status = U_ZERO_ERROR;
  const UnicodeString by(replacement.data(), static_cast<int32_t>(replacement.size()));
  const UnicodeString result = compiled_->Match(input)->replaceAll(by, status);
  Check(status, "replace");
  return ToStd(result);
}

std::u16string UnicodeRegex::Replace(
    const std::u16string& text,
    const std::function<std::u16string(const std::u16string&)>& change) const {
  const UnicodeString input = Alias(text);
  const auto matcher = compiled_->Match(input);
  std::u16string result;
  size_t end = 0;
  UErrorCode status = U_ZERO_ERROR;
  while (matcher->find(status)) {
    const auto from = static_cast<size_t>(matcher->start(status));
    const auto to = static_cast<size_t>(matcher->end(status));
    result += text.substr(end, from - end) + change(text.substr(from, to - from));
    end = to;
  }
  Check(status, "find");
  return result + text.substr(end);
}

std::u16string FromUtf8(std::string_view text) {
  return ToStd(
      UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size()))));
}

std::string ToUtf8(const std::u16string& text) {
  std::string utf8;
  Alias(text).toUTF8String(utf8);
  return utf8;
}

void AppendCodePoint(std::u16string* text, uint32_t code_point) {
  if (code_point < 0x10000) {
    text->push_back(static_cast<char16_t>(code_point));
  } else {
    text->push_back(static_cast<char16_t>(0xd7c0 + (code_point >> 10)));
    text->push_back(static_cast<char16_t>(0xdc00 + (code_point & 0x3ff)));
  }
}

bool IsPythonSpace(char16_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

std::u16string Strip(const std::u16string& text) {
  size_t begin = 0;
  size_t end = text.size();
  while (begin < end && IsPythonSpace(text[begin])) ++begin;
  while (end > begin && IsPythonSpace(text[end - 1])) --end;
  return text.substr(begin, end - begin);
}

std::u16string LowerCase(const std::u16string& text) {
  UnicodeString copy(text.data(), static_cast<int32_t>(text.size()));
  return ToStd(copy.toLower(icu::Locale::getRoot()));
}

std::u16string ComposeNormal(const std::u16string& text) {
  return Normalize(Normalizer(/*compatible=*/false), text);
}

std::u16string HighCharacters(const char* character_set) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> converter(
      ucnv_open(character_set, &status), ucnv_close);
  Check(status, character_set);
  std::u16string high;
  for (int byte = 0x80; byte <= 0xff; ++byte) {
    const char bytes[] = {static_cast<char>(byte)};
    char16_t units[4] = {};
    UErrorCode error = U_ZERO_ERROR;
    const int32_t count = ucnv_toUChars(converter.get(), units, 4, bytes, 1, &error);
    const bool known = U_SUCCESS(error) && count == 1 && units[0] != 0xfffd;
    high += known ? units[0] : static_cast<char16_t>(byte);
  }
  return high;
}

std::u16string CompatibleForm(char16_t c) {
  return Normalize(Normalizer(/*compatible=*/true), std::u16string(1, c));
}

}  // namespace teacache
