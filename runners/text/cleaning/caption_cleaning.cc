#include "runners/text/cleaning/caption_cleaning.h"

#include <string_view>
#include <vector>

#include "runners/text/cleaning/html_text.h"
#include "runners/text/cleaning/mojibake.h"
#include "runners/text/cleaning/unicode_regex.h"

namespace teacache {
namespace {

struct Rule {
  UnicodeRegex pattern;
  std::u16string_view replacement;
};
using Rules = std::vector<Rule>;

std::u16string Apply(const Rules& rules, std::u16string text) {
  for (const Rule& rule : rules) text = rule.pattern.Replace(text, rule.replacement);
  return text;
}

Rules MakeRules(std::initializer_list<std::pair<std::string_view, std::u16string_view>> list) {
  Rules rules;
  for (const auto& [pattern, replacement] : list) {
    rules.push_back({UnicodeRegex(pattern), replacement});
  }
  return rules;
}

const Rules& BeforeHtml() {
  static const Rules kRules = MakeRules({
      {"<person>", u"person"},
      // Addresses.
      {R"(\b((?:https?:(?:/{1,3}|[a-zA-Z0-9%])|[a-zA-Z0-9.\-]+[.](?:com|co|ru|net|org|edu|gov|it)[\w/-]*\b/?(?!@))))",
       u""},
      {R"(\b((?:www:(?:/{1,3}|[a-zA-Z0-9%])|[a-zA-Z0-9.\-]+[.](?:com|co|ru|net|org|edu|gov|it)[\w/-]*\b/?(?!@))))",
       u""},
  });
  return kRules;
}

const Rules& AfterHtml() {
  static const Rules kRules = MakeRules({
      {R"(@[\w\d]+\b)", u""},  // nicknames
      // CJK strokes, phonetic extensions, enclosed letters, compatibility forms, ideographs.
      {R"([\u31c0-\u31ef]+)", u""},
      {R"([\u31f0-\u31ff]+)", u""},
      {R"([\u3200-\u32ff]+)", u""},
      {R"([\u3300-\u33ff]+)", u""},
      {R"([\u3400-\u4dbf]+)", u""},
      {R"([\u4dc0-\u4dff]+)", u""},
      {R"([\u4e00-\u9fff]+)", u""},
      // Dashes of all kinds, quotes.
      {R"([\u002D\u058A\u05BE\u1400\u1806\u2010-\u2015\u2E17\u2E1A\u2E3A\u2E3B\u2E40\u301C\u3030\u30A0\uFE31\uFE32\uFE58\uFE63\uFF0D]+)",
       u"-"},
      {"[`´«»“”¨]", u"\""},
      {"[‘’]", u"'"},
      {"&quot;?", u""},
      {"&amp", u""},
      {R"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", u" "},  // IP addresses
      {R"(\d:\d\d\s+$)", u""},                          // article numbers
      {R"(\\n)", u" "},
      // Long numbers, "#123".
      {R"(#\d{1,3}\b)", u""},
      {R"(#\d{5,}\b)", u""},
      {R"(\b\d{6,}\b)", u""},
      {R"([\S]+\.(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4))", u""},  // file names
      {R"(["']{2,})", u"\""},
      {R"([\.]{2,})", u" "},
      {R"([#®•©™\&@·º½¾¿¡§~\)\(\]\[\}\{\|\\/\*]{1,})", u" "},
      {R"(\s+\.\s+)", u" "},
  });
  return kRules;
}

const Rules& AfterRepair() {
  static const Rules kRules = MakeRules({
      // Codes like jc6640, jc6640vc, 6640vc231.
      {R"(\b[a-zA-Z]{1,3}\d{3,15}\b)", u""},
      {R"(\b[a-zA-Z]+\d+[a-zA-Z]+\b)", u""},
      {R"(\b\d+[a-zA-Z]+\d+\b)", u""},
      // Phrases of shops and file listings.
      {R"((worldwide\s+)?(free\s+)?shipping)", u""},
      {R"((free\s)?download(\sfree)?)", u""},
      {R"(\bclick\b\s(?:for|on)\s\w+)", u""},
      {R"(\b(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)(\simage[s]?)?)", u""},
      {R"(\bpage\s+\d+\b)", u""},
      {R"(\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b)", u" "},
      {R"(\b\d+\.?\d*[xх×]\d+\.?\d*\b)", u""},  // sizes
      {R"(\b\s+\:\s+)", u": "},
      {R"((\D[,\./])\b)", u"$1 "},
      {R"(\s+)", u" "},
      // Quotes around everything, odd signs at the ends.
      {R"(^["']([\w\W]+)["']$)", u"$1"},
      {R"(^['_,\-\:;])", u""},
      {R"(['_,\-\:\-\+]$)", u""},
      {R"(^\.\S+$)", u""},
  });
  return kRules;
}

int HexValue(char16_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Python's urllib.parse.unquote_plus(): '+' is a space, "%41" a byte of UTF-8.
std::u16string Unquote(const std::u16string& text) {
  std::u16string unquoted;
  std::string bytes;  // of a run of ASCII characters, which are decoded together
  const auto end_run = [&] {
    unquoted += FromUtf8(bytes);
    bytes.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char16_t c = text[i];
    if (c >= 0x80) {
      end_run();
      unquoted += c;
    } else if (c == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
               HexValue(text[i + 2]) >= 0) {
      bytes += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      bytes += c == '+' ? ' ' : static_cast<char>(c);
    }
  }
  end_run();
  return unquoted;
}

// "this-is-my-cute-cat", "this_is_a_name": with more than three such signs they separate words.
std::u16string SeparateWords(const std::u16string& text) {
  static const UnicodeRegex kSeparator(R"((?:\-|\_))");
  return kSeparator.Count(text) > 3 ? kSeparator.Replace(text, u" ") : text;
}

std::u16string CleanOnce(const std::u16string& caption) {
  std::u16string text = LowerCase(Strip(Unquote(caption)));
  text = HtmlText(Apply(BeforeHtml(), std::move(text)));
  text = SeparateWords(Apply(AfterHtml(), std::move(text)));
  text = HtmlUnescape(HtmlUnescape(RepairText(text)));
  return Strip(Apply(AfterRepair(), std::move(text)));
}

}  // namespace

std::string CleanCaptionOnce(const std::string& text) { return ToUtf8(CleanOnce(FromUtf8(text))); }

std::string CleanCaption(const std::string& text) {
  return ToUtf8(CleanOnce(CleanOnce(FromUtf8(text))));
}

}  // namespace teacache
