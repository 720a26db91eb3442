#include "metrics/vbench/networks/tokenizer.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

constexpr size_t kMaxMerges = 49152 - 256 - 2;
constexpr std::string_view kStart = "<|startoftext|>";
constexpr std::string_view kEnd = "<|endoftext|>";

// Characters beyond ASCII by the C library's Unicode tables.
class Unicode {
 public:
  Unicode() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~Unicode() {
    if (locale_ != nullptr) freelocale(locale_);
  }
  Unicode(const Unicode&) = delete;
  Unicode& operator=(const Unicode&) = delete;

  bool IsLetter(char32_t c) const {
    if (c < 128) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return locale_ == nullptr || iswalpha_l(static_cast<wint_t>(c), locale_) != 0;
  }
  static bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }
  bool IsSpace(char32_t c) const {
    if (c < 128) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
    return c == 0x85 || c == 0xA0 ||
           (locale_ != nullptr && iswspace_l(static_cast<wint_t>(c), locale_) != 0);
  }
  char32_t Lower(char32_t c) const {
    if (c < 128) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return locale_ == nullptr ? c
                              : static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), locale_));
  }

 private:
  locale_t locale_;
};

const Unicode& Tables() {
  static const Unicode unicode;
  return unicode;
}

void AppendUtf8(char32_t c, std::string* out) {
  const auto add = [&](unsigned value) { out->push_back(static_cast<char>(value)); };
  if (c < 0x80) {
    add(c);
  } else if (c < 0x800) {
    add(0xC0 | (c >> 6));
    add(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    add(0xE0 | (c >> 12));
    add(0x80 | ((c >> 6) & 0x3F));
    add(0x80 | (c & 0x3F));
  } else {
    add(0xF0 | (c >> 18));
    add(0x80 | ((c >> 12) & 0x3F));
    add(0x80 | ((c >> 6) & 0x3F));
    add(0x80 | (c & 0x3F));
  }
}

// Bytes that are no UTF-8 stand for themselves (Latin-1).
std::u32string DecodeUtf8(std::string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : 4;
    char32_t c = length == 1 ? byte : byte & (0xFF >> (length + 1));
    bool valid = length == 1 || (byte >= 0xC2 && byte <= 0xF4 && i + length <= text.size());
    for (size_t k = 1; valid && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      valid = next >> 6 == 2;
      c = c << 6 | (next & 0x3F);
    }
    out.push_back(valid ? c : byte);
    i += valid ? length : 1;
  }
  return out;
}

void ReplaceAll(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text->find(from, at)) != std::string::npos; at += to.size()) {
    text->replace(at, from.size(), to);
  }
}

// What of upstream's clean-up matters to prompts: HTML's basic entities (twice, as upstream),
// straight quotes, single spaces, lower case.
std::u32string Clean(std::string_view text) {
  std::string plain(text);
  for (int pass = 0; pass < 2; ++pass) {
    ReplaceAll(&plain, "&lt;", "<");
    ReplaceAll(&plain, "&gt;", ">");
    ReplaceAll(&plain, "&quot;", "\"");
    ReplaceAll(&plain, "&#39;", "'");
    ReplaceAll(&plain, "&amp;", "&");
  }
  std::u32string out;
  for (char32_t c : DecodeUtf8(plain)) {
    if (c >= 0x2018 && c <= 0x201B) c = U'\'';
    if (c >= 0x201C && c <= 0x201F) c = U'"';
    if (Tables().IsSpace(c)) {
      if (!out.empty() && out.back() != U' ') out.push_back(U' ');
    } else {
      out.push_back(Tables().Lower(c));
    }
  }
  if (!out.empty() && out.back() == U' ') out.pop_back();
  return out;
}

// Length of the piece at `i`: 's 't 're 've 'm 'll 'd, letters, one digit, or a run of other signs.
size_t PieceLength(const std::u32string& text, size_t i) {
  const auto starts = [&](std::u32string_view with) {
    return std::u32string_view(text).substr(i).starts_with(with);
  };
  for (const std::u32string_view special : {U"<|startoftext|>", U"<|endoftext|>"}) {
    if (starts(special)) return special.size();
  }
  for (const std::u32string_view ending : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (starts(ending)) return ending.size();
  }
  if (Unicode::IsDigit(text[i])) return 1;
  const bool letters = Tables().IsLetter(text[i]);
  size_t end = i + 1;
  while (end < text.size() && text[end] != U' ' && !Unicode::IsDigit(text[end]) &&
         Tables().IsLetter(text[end]) == letters) {
    ++end;
  }
  return end - i;
}

// The printable character that stands for each byte in a merges file, in the order of the ids.
struct ByteTable {
  std::array<std::string, 256> symbol;
  std::vector<int> order;  // byte by id

  ByteTable() {
    const auto printable = [](int byte) {
      return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    };
    for (int byte = 0; byte < 256; ++byte) {
      if (printable(byte)) order.push_back(byte);
    }
    for (int byte : order) AppendUtf8(static_cast<char32_t>(byte), &symbol[byte]);
    char32_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      if (printable(byte)) continue;
      order.push_back(byte);
      AppendUtf8(next++, &symbol[byte]);
    }
  }
};

const ByteTable& Bytes() {
  static const ByteTable table;
  return table;
}

}  // namespace

ClipTokenizer ClipTokenizer::Open(const std::string& path) {
  const std::string text = ReadFile(path, uint64_t{64} << 20);
  if (text.starts_with("\x1f\x8b")) {
    ThrowUserError(path, "must be unpacked (gunzip) but is gzip");
  }
  return ClipTokenizer(text, path);
}

ClipTokenizer::ClipTokenizer(std::string_view merges, const std::string& where) {
  const auto add = [&](const std::string& symbol) {
    const auto id = static_cast<int64_t>(ids_.size());
    if (!ids_.emplace(symbol, id).second) {
      ThrowUserError(where, "merges must make different symbols but \"{}\" appears twice", symbol);
    }
  };
  for (int byte : Bytes().order) add(Bytes().symbol[byte]);
  for (int byte : Bytes().order) add(Bytes().symbol[byte] + "</w>");
  size_t begin = merges.find('\n');
  int64_t line_number = 1;
  while (begin != std::string_view::npos && ranks_.size() < kMaxMerges) {
    ++begin;
    ++line_number;
    const size_t end = merges.find('\n', begin);
    std::string_view line = merges.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    begin = end;
    if (line.empty() && end == std::string_view::npos) break;
    const size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos || space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string_view::npos) {
      ThrowUserError(where, "line {} must be two symbols with a space between them", line_number);
    }
    const std::string left(line.substr(0, space)), right(line.substr(space + 1));
    ranks_.emplace(std::pair(left, right), static_cast<int64_t>(ranks_.size()));
    add(left + right);
  }
  if (ranks_.empty()) ThrowUserError(where, "must hold merges, one per line, but holds none");
}

void ClipTokenizer::EncodePiece(std::string_view piece, std::vector<int64_t>* ids) const {
  if (piece == kStart || piece == kEnd) {
    ids->push_back(piece == kStart ? start_token() : end_token());
    return;
  }
  std::vector<std::string> word;
  for (const char byte : piece) word.push_back(Bytes().symbol[static_cast<unsigned char>(byte)]);
  word.back() += "</w>";
  while (word.size() > 1) {
    constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
    int64_t best = kNone;
    std::pair<std::string, std::string> pair;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      const auto found = ranks_.find({word[i], word[i + 1]});
      if (found == ranks_.end() || found->second >= best) continue;
      best = found->second;
      pair = found->first;
    }
    if (best == kNone) break;
    std::vector<std::string> merged;
    for (size_t i = 0; i < word.size(); ++i) {
      if (i + 1 < word.size() && word[i] == pair.first && word[i + 1] == pair.second) {
        merged.push_back(word[i] + word[i + 1]);
        ++i;
      } else {
        merged.push_back(word[i]);
      }
    }
    word = std::move(merged);
  }
  for (const std::string& symbol : word) ids->push_back(ids_.at(symbol));
}

std::vector<int64_t> ClipTokenizer::Encode(std::string_view text) const {
  std::vector<int64_t> ids;
  const std::u32string clean = Clean(text);
  for (size_t i = 0; i < clean.size();) {
    if (clean[i] == U' ') {
      ++i;
      continue;
    }
    const size_t length = PieceLength(clean, i);
    std::string piece;
    for (const char32_t c : std::u32string_view(clean).substr(i, length)) AppendUtf8(c, &piece);
    EncodePiece(piece, &ids);
    i += length;
  }
  return ids;
}

std::vector<int64_t> ClipTokenizer::Tokenize(std::string_view text,
                                             size_t length,
                                             bool truncate) const {
  std::vector<int64_t> ids = {start_token()};
  for (const int64_t id : Encode(text)) ids.push_back(id);
  ids.push_back(end_token());
  if (ids.size() > length) {
    if (!truncate) {
      ThrowUserError("text", "must be at most {} tokens but is {}: {}", length, ids.size(), text);
    }
    ids.resize(length);
    ids.back() = end_token();
  }
  ids.resize(length, 0);
  return ids;
}

}  // namespace teacache
