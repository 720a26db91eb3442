#include "runners/text/cleaning/html_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "runners/text/cleaning/unicode_regex.h"

namespace teacache {
namespace {

constexpr size_t kNone = std::u16string::npos;

constexpr std::array<std::u16string_view, 24> kEmptyElements = {
    u"area",     u"base",    u"br",       u"col",   u"embed", u"hr",      u"img",    u"input",
    u"keygen",   u"link",    u"menuitem", u"meta",  u"param", u"source",  u"track",  u"wbr",
    u"basefont", u"bgsound", u"command",  u"frame", u"image", u"isindex", u"nextid", u"spacer"};
// Elements whose text is no text of the page.
constexpr std::array<std::u16string_view, 5> kHiddenElements = {
    u"script", u"style", u"template", u"rt", u"rp"};
constexpr std::array<std::u16string_view, 2> kRawElements = {u"script", u"style"};
constexpr std::array<std::u16string_view, 2> kSpacedElements = {u"pre", u"textarea"};

bool IsOneOf(const std::u16string& name, const auto& names) {
  return std::ranges::find(names, std::u16string_view(name)) != names.end();
}

bool IsLetter(char16_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char16_t c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char16_t c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Collects the text of a tree without building it: only which elements are open matters.
class TextCollector {
 public:
  void Data(std::u16string_view data) { chunk_ += data; }

  void Open(const std::u16string& name) {
    EndChunk();
    open_.push_back(name);
  }

  // Closes the innermost element of that name and all inside it; nothing when there is none.
  void Close(const std::u16string& name) {
    EndChunk();
    const auto it = std::find(open_.rbegin(), open_.rend(), name);
    if (it != open_.rend()) open_.erase(it.base() - 1, open_.end());
  }

  // Character data sections are text wherever they are.
  void CharacterData(std::u16string_view data) {
    EndChunk();
    text_ += data;
  }

  void EndChunk() {
    if (chunk_.empty()) return;
    if (!AnyOpen(kSpacedElements) && chunk_.find_first_not_of(u" \n\t\f\r") == kNone) {
      chunk_ = chunk_.find(u'\n') == kNone ? u" " : u"\n";
    }
    if (!AnyOpen(kHiddenElements)) text_ += chunk_;
    chunk_.clear();
  }

  const std::u16string& text() const { return text_; }

 private:
  bool AnyOpen(const auto& names) const {
    return std::ranges::any_of(open_, [&](const auto& name) { return IsOneOf(name, names); });
  }

  std::u16string text_;
  std::u16string chunk_;
  std::vector<std::u16string> open_;
};

// The tokenizer of Python 3.11's html.parser. It runs twice: what it leaves at the end of the first
// run, waiting for more, it handles as the end of the input in the second.
class HtmlReader {
 public:
  explicit HtmlReader(const std::u16string& markup) : in_(markup) {}

  std::u16string Read() {
    Run(/*at_end=*/false);
    Run(/*at_end=*/true);
    out_.EndChunk();
    return out_.text();
  }

 private:
  void Run(bool at_end) {
    while (at_ < in_.size() && Step(at_end)) {
    }
    if (at_end && at_ < in_.size() && raw_.empty()) DataUpTo(in_.size());
  }

  // Handles the text up to the next mark and that mark; false when more input would be needed.
  bool Step(bool at_end) {
    const size_t mark = raw_.empty() ? in_.find_first_of(u"&<", at_) : FindRawEnd();
    if (mark == kNone && !raw_.empty()) return false;
    DataUpTo(std::min(mark, in_.size()));
    if (at_ == in_.size()) return false;
    if (in_[at_] == '<') return Markup(at_end);
    if (StartsWith(u"&#")) return NumericReference();
    return NamedReference(at_end);
  }

  void DataUpTo(size_t end) {
    out_.Data(std::u16string_view(in_).substr(at_, end - at_));
    at_ = end;
  }

  bool StartsWith(std::u16string_view prefix) const {
    return in_.compare(at_, prefix.size(), prefix) == 0;
  }

  // Where the end tag of a script or style is.
  size_t FindRawEnd() const {
    for (size_t i = in_.find(u"</", at_); i != kNone; i = in_.find(u"</", i + 1)) {
      size_t k = i + 2;
      while (k < in_.size() && IsPythonSpace(in_[k])) ++k;
      if (LowerCase(in_.substr(k, raw_.size())) != raw_) continue;
      k += raw_.size();
      while (k < in_.size() && IsPythonSpace(in_[k])) ++k;
      if (k < in_.size() && in_[k] == '>') return i;
    }
    return kNone;
  }

  bool Markup(bool at_end) {
    std::optional<size_t> end;
    if (at_ + 1 < in_.size() && IsLetter(in_[at_ + 1])) {
      end = StartTag();
    } else if (StartsWith(u"</")) {
      end = EndTag();
    } else if (StartsWith(u"<!--")) {
      static const UnicodeRegex kClose(R"(--\s*>)");
      end = Skip(kClose, at_ + 4);
    } else if (StartsWith(u"<![")) {
      end = MarkedSection();
    } else if (StartsWith(u"<?") || StartsWith(u"<!")) {
      end = SkipTo(at_ + 2);
    } else if (at_ + 1 < in_.size()) {
      DataUpTo(at_ + 1);
      return true;
    } else {
      return false;
    }
    if (end) {
      at_ = *end;
      return true;
    }
    if (!at_end) return false;
    // An unfinished tag is text, up to what looks like its end.
    size_t stop = in_.find(u'>', at_ + 1);
    if (stop != kNone) {
      ++stop;
    } else {
      stop = std::min(in_.find(u'<', at_ + 1), in_.size());
      if (stop == in_.size()) stop = at_ + 1;
    }
    DataUpTo(stop);
    return true;
  }

  // Behind the next '>' at or after `from`; what lies before it is a comment of some kind.
  std::optional<size_t> SkipTo(size_t from) {
    const size_t close = in_.find(u'>', from);
    if (close == kNone) return std::nullopt;
    out_.EndChunk();
    return close + 1;
  }

  std::optional<size_t> Skip(const UnicodeRegex& close, size_t from) {
    for (size_t i = from; i < in_.size(); ++i) {
      if (const auto end = close.MatchAt(in_, i)) {
        out_.EndChunk();
        return end;
      }
    }
    return std::nullopt;
  }

  std::optional<size_t> MarkedSection() {
    static const UnicodeRegex kCharacterData(R"(<!\[[cC][dD][aA][tT][aA]\s*\[)");
    static const UnicodeRegex kOffice(R"(<!\[(?:if|else|endif)\b)");
    static const UnicodeRegex kClose(R"(\]\s*\]\s*>)");
    static const UnicodeRegex kOfficeClose(R"(\]\s*>)");
    const size_t from = at_ + 3;
    if (kOffice.MatchAt(in_, at_)) return Skip(kOfficeClose, from);
    const auto content = kCharacterData.MatchAt(in_, at_);
    const auto end = Skip(kClose, from);
    if (content && end) {
      const size_t close = in_.rfind(u']', in_.rfind(u']', *end - 1) - 1);
      if (close >= *content) {
        out_.CharacterData(std::u16string_view(in_).substr(*content, close - *content));
      }
    }
    return end;
  }

  // The reference's rule for where a start tag ends, tolerant of broken attributes.
  std::optional<size_t> FindStartTagEnd() const {
    static const UnicodeRegex kTag(
        R"(<[a-zA-Z][^\t\n\r\f />\x{0}]*(?:[\s/]*(?:(?<=['"\s/])[^\s/>][^\s/=>]*)"
        R"((?:\s*=+\s*(?:'[^']*'|"[^"]*"|(?!['"])[^>\s]*)\s*)?(?:\s|/(?!>))*)*)?\s*)");
    const size_t end = kTag.MatchAt(in_, at_).value_or(at_ + 1);
    if (end == in_.size()) return std::nullopt;
    const char16_t next = in_[end];
    if (next == '>') return end + 1;
    if (next == '/') {
      if (in_.compare(end, 2, u"/>") == 0) return end + 2;
      return std::nullopt;
    }
    if (IsLetter(next) || next == '=') return std::nullopt;
    return end;
  }

  std::optional<size_t> StartTag() {
    static const UnicodeRegex kName(R"([a-zA-Z][^\t\n\r\f />\x{0}]*)");
    static const UnicodeRegex kGap(R"((?:\s|/(?!>))*)");
    static const UnicodeRegex kAttribute(
        R"((?<=['"\s/])[^\s/>][^\s/=>]*(?:\s*=+\s*(?:'[^']*'|"[^"]*"|(?!['"])[^>\s]*))?)"
        R"((?:\s|/(?!>))*)");
    const auto end = FindStartTagEnd();
    if (!end) return std::nullopt;
    const size_t name_end = *kName.MatchAt(in_, at_ + 1);
    const std::u16string name = LowerCase(in_.substr(at_ + 1, name_end - at_ - 1));
    size_t k = *kGap.MatchAt(in_, name_end);
    while (k < *end) {
      const auto attribute = kAttribute.MatchAt(in_, k);
      if (!attribute) break;
      k = *attribute;
    }
    const std::u16string tail = k < *end ? Strip(in_.substr(k, *end - k)) : u"";
    if (tail != u">" && tail != u"/>") {
      out_.Data(std::u16string_view(in_).substr(at_, *end - at_));
      return end;
    }
    out_.Open(name);
    if (tail == u"/>") {
      out_.Close(name);
    } else if (IsOneOf(name, kEmptyElements)) {
      out_.Close(name);
      closed_empty_.push_back(name);
    } else if (IsOneOf(name, kRawElements)) {
      raw_ = name;
    }
    return end;
  }

  std::optional<size_t> EndTag() {
    static const UnicodeRegex kEndTag(R"(</\s*[a-zA-Z][-.a-zA-Z0-9:_]*\s*>)");
    static const UnicodeRegex kName(R"([a-zA-Z][^\t\n\r\f />\x{0}]*)");
    const size_t close = in_.find(u'>', at_ + 1);
    if (close == kNone) return std::nullopt;
    const bool is_plain = kEndTag.MatchAt(in_, at_).has_value();
    if (!is_plain && !raw_.empty()) {
      out_.Data(std::u16string_view(in_).substr(at_, close + 1 - at_));
      return close + 1;
    }
    size_t begin = at_ + 2;
    while (is_plain && IsPythonSpace(in_[begin])) ++begin;
    const auto name_end = kName.MatchAt(in_, begin);
    if (!name_end) return close == at_ + 2 ? close + 1 : SkipTo(at_ + 2);
    const std::u16string name = LowerCase(in_.substr(begin, *name_end - begin));
    if (is_plain) raw_.clear();
    Close(name);
    return close + 1;
  }

  void Close(const std::u16string& name) {
    // An empty element was closed when it was opened.
    const auto it = std::ranges::find(closed_empty_, name);
    if (it != closed_empty_.end()) {
      closed_empty_.erase(it);
    } else {
      out_.Close(name);
    }
  }

  bool NumericReference() {
    size_t end = at_ + 2;
    const bool hex = end < in_.size() && (in_[end] == 'x' || in_[end] == 'X');
    const size_t digits = end += hex ? 1 : 0;
    while (end < in_.size() && (hex ? IsHexDigit(in_[end]) : IsDigit(in_[end]))) ++end;
    if (end == digits || end == in_.size() || IsHexDigit(in_[end])) {
      if (in_.find(u';', at_) != kNone) DataUpTo(at_ + 2);
      return false;
    }
    out_.Data(HtmlNumber(in_.substr(at_ + 2, end - at_ - 2)));
    at_ = end + (in_[end] == ';' ? 1 : 0);
    return true;
  }

  bool NamedReference(bool at_end) {
    const size_t begin = at_ + 1;
    if (begin == in_.size()) return false;
    if (!IsLetter(in_[begin])) {
      DataUpTo(begin);
      return true;
    }
    size_t end = begin;
    const auto is_name = [](char16_t c) {
      return IsLetter(c) || IsDigit(c) || c == '-' || c == '.';
    };
    while (end < in_.size() && is_name(in_[end])) ++end;
    if (end == in_.size()) {  // a name needs a sign behind it
      do --end;
      while (end > begin && in_[end] != '-' && in_[end] != '.');
      if (end == begin) {
        if (at_end && in_.size() - at_ == 2) ++at_;  // "&a": the reference loses the sign
        return false;
      }
    }
    const std::u16string name = in_.substr(begin, end - begin);
    // The list's names with and without semicolon are one to the reference.
    const std::u16string* text = FindHtmlEntity(name);
    if (text == nullptr) text = FindHtmlEntity(name + u';');
    out_.Data(text != nullptr ? *text : u"&" + name);
    at_ = end + (in_[end] == ';' ? 1 : 0);
    return true;
  }

  const std::u16string& in_;
  size_t at_ = 0;
  std::u16string raw_;  // the script or style element that is being read; "" = none
  std::vector<std::u16string> closed_empty_;
  TextCollector out_;
};

}  // namespace

std::u16string HtmlText(const std::u16string& markup) { return HtmlReader(markup).Read(); }

}  // namespace teacache
