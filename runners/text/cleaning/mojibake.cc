#include "runners/text/cleaning/mojibake.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "runners/text/cleaning/html_text.h"
#include "runners/text/cleaning/unicode_regex.h"

namespace teacache {
namespace {

// Windows-1252 from 0x80 on; bytes without a character stand for themselves.
constexpr std::u16string_view kHigh1252 =
    u"\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d"
    u"\u008f"
    u"\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e"
    u"\u0178";

// Signs by how they behave in real text; ranges as in a character class.
constexpr const char* kC1 = "\\x{80}-\\x{9f}";
constexpr const char* kBad = "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\\x{fffd}ªº";
constexpr const char* kLaw = "¶§";
constexpr const char* kCurrency = "¢£¥₧€";
constexpr const char* kOpening = "¡«¿©΄΅‘‚“„•‹";
constexpr const char* kClosing = "®»˝”›™";
constexpr const char* kNumeric = "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№";
constexpr const char* kUpper = "\\x{c0}-\\x{d1}ØÜÝŒŠŸŽ";
constexpr const char* kLower = "ß\\x{e0}-\\x{f1}œšüž";

std::string Set(std::initializer_list<const char*> parts) {
  std::string set = "[";
  for (const char* part : parts) set += part;
  return set + "]";
}

// Neighbours that hardly occur but in text decoded with the wrong character set.
std::string UnlikelyNeighbours() {
  const std::string accented = Set({kLower, kUpper});
  const std::string around_bad =
      Set({kLower, kUpper, kOpening, kClosing, kCurrency, kNumeric, kLaw});
  const std::string rules[] = {
      Set({kC1}),
      around_bad + Set({kBad}),
      Set({kBad}) + around_bad,
      Set({kLower, kClosing, kCurrency, kNumeric}) + Set({kUpper}),
      Set({kClosing, kCurrency, kNumeric}) + Set({kLower}),
      Set({kLower, kClosing}) + Set({kCurrency}),
      "\\s" + Set({kUpper}) + Set({kCurrency}),
      Set({kUpper}) + Set({kNumeric, kLaw, "°"}),
      Set({kLower, kUpper, kCurrency, kClosing}) + Set({kOpening}) + Set({kNumeric}),
      Set({kLower, kUpper, kCurrency, kNumeric, kLaw}) + Set({kClosing}) + Set({kOpening}),
      Set({kCurrency, kNumeric}) + Set({kOpening}),
      "[a-z]" + Set({kUpper}) + Set({kOpening, kCurrency}),
      accented + Set({kOpening, kClosing}) + "\\w",
      "[Œœ][^A-Za-z]",
      "[ÂÃÎÐ]" + Set({"€œŠš¢£Ÿž\\x{a0}\\x{ad}®©°·»–—´", kOpening, kClosing}),
      "×[²³]",
      "à[²µ¹¼½¾]",
      "[a-z]\\s?[ÃÂ] ",
      "^[ÃÂ] ",
      "вЂ",
  };
  std::string all;
  for (const std::string& rule : rules) all += (all.empty() ? "" : "|") + rule;
  return all;
}

bool LooksBroken(const std::u16string& text) {
  static const UnicodeRegex kUnlikely(UnlikelyNeighbours());
  return kUnlikely.Search(text);
}

bool IsAscii(const std::u16string& text) {
  return std::ranges::all_of(text, [](char16_t c) { return c < 0x80; });
}

bool HasC1(const std::u16string& text) {
  return std::ranges::any_of(text, [](char16_t c) { return c >= 0x80 && c < 0xa0; });
}

std::optional<std::string> EncodeLatin1(const std::u16string& text) {
  std::string bytes;
  for (const char16_t c : text) {
    if (c > 0xff) return std::nullopt;
    bytes += static_cast<char>(c);
  }
  return bytes;
}

// A set of 256 characters, the lower half ASCII.
struct CharacterSet {
  std::u16string high;  // of bytes 0x80 to 0xff
  bool lenient;         // U+FFFD, a lost character, is byte 0x1a
  bool spaced;          // whether RestoreSpaces() makes sense

  std::optional<std::string> Encode(const std::u16string& text) const {
    std::string bytes;
    for (const char16_t c : text) {
      const size_t place = c < 0x80 ? std::u16string::npos : high.find(c);
      if (lenient && c == 0xfffd) {
        bytes += '\x1a';
      } else if (place != std::u16string::npos) {
        bytes += static_cast<char>(0x80 + place);
      } else if (c < 0x80 && !(lenient && c == 0x1a)) {
        bytes += static_cast<char>(c);
      } else {
        return std::nullopt;
      }
    }
    return bytes;
  }
};

// The sets that UTF-8 is taken for, likeliest first after Latin-1.
const std::vector<CharacterSet>& CharacterSets() {
  static const std::vector<CharacterSet> kSets = [] {
    std::vector<CharacterSet> sets;
    for (const char* name : {"windows-1252",
                             "windows-1251",
                             "windows-1250",
                             "windows-1253",
                             "windows-1254",
                             "windows-1257"}) {
      sets.push_back({HighCharacters(name), /*lenient=*/true, /*spaced=*/true});
    }
    for (const char* name : {"iso-8859-2", "macintosh", "ibm-437"}) {
      const bool is_mac = std::string_view(name) == "macintosh";  // whose dash looks alike
      sets.push_back({HighCharacters(name), /*lenient=*/false, /*spaced=*/!is_mac});
    }
    return sets;
  }();
  return kSets;
}

std::u16string C1To1252(std::u16string text) {
  for (char16_t& c : text) {
    if (c >= 0x80 && c < 0xa0) c = kHigh1252[c - 0x80];
  }
  return text;
}

// The text of UTF-8 bytes; nothing unless they are exactly that.
std::optional<std::u16string> DecodeUtf8(const std::string& bytes) {
  std::u16string text = FromUtf8(bytes);
  if (ToUtf8(text) != bytes) return std::nullopt;
  return text;
}

// Byte 0xa0 that somebody took for a space is put back where it completes a character.
std::string RestoreSpaces(const std::string& bytes) {
  static const UnicodeRegex kSpaced(
      R"([\x{c2}\x{c3}\x{c5}\x{ce}\x{d0}\x{d9}] )"
      R"(|[\x{e2}\x{e3}] [\x{80}-\x{84}\x{86}-\x{9f}\x{a1}-\x{bf}])"
      R"(|[\x{e0}-\x{e3}][\x{80}-\x{84}\x{86}-\x{9f}\x{a1}-\x{bf}] )"
      R"(|\x{f0}(?: [\x{80}-\x{bf}]{2}|[\x{80}-\x{bf}] [\x{80}-\x{bf}]|[\x{80}-\x{bf}]{2} ))");
  static const UnicodeRegex kWordA(R"(\x{c3} (?! |quele|quela|quilo|s ))");
  std::u16string units;
  for (const char byte : bytes) units += static_cast<char16_t>(static_cast<unsigned char>(byte));
  if (!kSpaced.Search(units)) return bytes;
  units = kWordA.Replace(units, u"\u00c3\u00a0 ");
  units = kSpaced.Replace(units, [](const std::u16string& match) {
    std::u16string restored = match;
    std::ranges::replace(restored, u' ', u'\u00a0');
    return restored;
  });
  return *EncodeLatin1(units);
}

// Sequences with a lost byte (0x1a) become U+FFFD as a whole.
std::string ReplaceLost(const std::string& bytes) {
  if (bytes.find('\x1a') == std::string::npos && bytes.find('?') == std::string::npos) return bytes;
  static const UnicodeRegex kLost(
      R"([\x{c2}-\x{df}]\x{1a}|[\x{c2}-\x{c3}]\?)"
      R"(|[\x{e0}-\x{ef}](?:[\x{1a}?][\x{1a}\x{80}-\x{bf}]|[\x{1a}\x{80}-\x{bf}][\x{1a}?]))"
      R"(|[\x{f0}-\x{f4}](?:[\x{1a}?][\x{1a}\x{80}-\x{bf}]{2})"
      R"(|[\x{1a}\x{80}-\x{bf}][\x{1a}?][\x{1a}\x{80}-\x{bf}])"
      R"(|[\x{1a}\x{80}-\x{bf}]{2}[\x{1a}?])|\x{1a})");
  std::u16string units;
  for (const char byte : bytes) units += static_cast<char16_t>(static_cast<unsigned char>(byte));
  return *EncodeLatin1(kLost.Replace(units, u"\u00ef\u00bf\u00bd"));
}

std::u16string RepairCharacterSet(const std::u16string& text);

// Repairs pieces of text of which not everything is broken.
std::u16string RepairPieces(const std::u16string& text) {
  const std::string continuation = "\\x{80}-\\x{bf}ŒŠŸŽœšžƒˆ˜†‡‰‹›€™";
  const std::string loose = "[" + continuation + " –—‘’‚“”„•…]";
  static const UnicodeRegex kPieces("(?<![" + continuation + "])(?:[\\x{c2}-\\x{df}]" + loose +
                                    "|[\\x{e0}-\\x{ef}]" + loose + "{2}|[\\x{f0}\\x{f3}]" + loose +
                                    "{3})+");
  return kPieces.Replace(text, [&](const std::u16string& piece) {
    return piece.size() < text.size() && LooksBroken(piece) ? RepairCharacterSet(piece) : piece;
  });
}

std::u16string RepairOnce(const std::u16string& text) {
  if (IsAscii(text) || !LooksBroken(text)) return text;
  const auto latin1 = EncodeLatin1(text);
  if (latin1) {
    if (auto decoded = DecodeUtf8(RestoreSpaces(*latin1))) return *decoded;
  }
  for (const CharacterSet& set : CharacterSets()) {
    if (const auto bytes = set.Encode(text)) {
      const std::string spaced = set.spaced ? RestoreSpaces(*bytes) : *bytes;
      const std::string whole = set.lenient ? ReplaceLost(spaced) : spaced;
      if (auto decoded = DecodeUtf8(whole)) return *decoded;
    }
  }
  std::u16string pieces = RepairPieces(text);
  if (pieces != text) return pieces;
  return HasC1(text) ? C1To1252(text) : text;
}

std::u16string RepairCharacterSet(const std::u16string& text) {
  std::u16string repaired = text;
  for (std::u16string before; before != repaired;) {
    before = repaired;
    repaired = RepairOnce(before);
  }
  return repaired;
}

// Only references that end with a semicolon: without one they may be meant as they are.
std::u16string ResolveReferences(const std::u16string& text) {
  static const UnicodeRegex kReference("&#?[0-9A-Za-z]{1,24};");
  return kReference.Replace(text, [](const std::u16string& match) -> std::u16string {
    const std::u16string name = match.substr(1);
    if (const std::u16string* entity = FindHtmlEntity(name)) return *entity;
    if (name[0] == '#') {
      const std::u16string number = HtmlUnescape(match);
      return number.find(u';') == std::u16string::npos ? number : match;
    }
    return match;
  });
}

const std::map<char16_t, std::u16string>& Ligatures() {
  static const std::map<char16_t, std::u16string> kLigatures = {
      {u'Ĳ', u"IJ"},  {u'ĳ', u"ij"},  {u'ŉ', u"ʼn"}, {u'Ǳ', u"DZ"}, {u'ǲ', u"Dz"}, {u'ǳ', u"dz"},
      {u'Ǆ', u"DŽ"},  {u'ǅ', u"Dž"},  {u'ǆ', u"dž"}, {u'Ǉ', u"LJ"}, {u'ǈ', u"Lj"}, {u'ǉ', u"lj"},
      {u'Ǌ', u"NJ"},  {u'ǋ', u"Nj"},  {u'ǌ', u"nj"}, {u'ﬀ', u"ff"}, {u'ﬁ', u"fi"}, {u'ﬂ', u"fl"},
      {u'ﬃ', u"ffi"}, {u'ﬄ', u"ffl"}, {u'ﬅ', u"ſt"}, {u'ﬆ', u"st"}};
  return kLigatures;
}

bool IsControl(char16_t c) {
  return c < 0x09 || c == 0x0b || (c >= 0x0e && c < 0x20) || c == 0x7f ||
         (c >= 0x206a && c < 0x2070) || c == 0xfeff || (c >= 0xfff9 && c < 0xfffd);
}

// One character as it should be written; nothing for control characters.
std::u16string Plain(char16_t c) {
  if (const auto it = Ligatures().find(c); it != Ligatures().end()) return it->second;
  if (c == 0x3000) return u" ";
  if (c >= 0xff01 && c < 0xfff0) return CompatibleForm(c);
  if (c >= 0x201c && c <= 0x201f) return u"\"";
  if (c == 0x02bc || (c >= 0x2018 && c <= 0x201b)) return u"'";
  if (c == 0x2028 || c == 0x2029 || c == 0x85) return u"\n";
  return IsControl(c) ? u"" : std::u16string(1, c);
}

std::u16string PlainCharacters(const std::u16string& text) {
  static const UnicodeRegex kTerminal(R"(\x{1b}\[(?:[\d;])*[a-zA-Z])");
  static const UnicodeRegex kCarriageReturn("\\r\\n?");
  std::u16string plain;
  for (const char16_t c : kCarriageReturn.Replace(kTerminal.Replace(text, u""), u"\n")) {
    plain += Plain(c);
  }
  return ComposeNormal(plain);
}

std::u16string RepairLine(const std::u16string& line, bool references) {
  std::u16string repaired = line;
  for (std::u16string before; before != repaired;) {
    before = repaired;
    if (references && repaired.find(u'<') == std::u16string::npos) {
      repaired = ResolveReferences(repaired);
    }
    // Control characters of the 8-bit sets that are left mean what Windows makes of them.
    repaired = PlainCharacters(C1To1252(RepairCharacterSet(repaired)));
  }
  return repaired;
}

}  // namespace

std::u16string RepairText(const std::u16string& text) {
  std::u16string repaired;
  bool references = true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t feed = text.find(u'\n', begin);
    const size_t end = feed == std::u16string::npos ? text.size() : feed + 1;
    const std::u16string line = text.substr(begin, end - begin);
    // Text with a tag is taken for HTML from there on, whose references are meant.
    if (line.find(u'<') != std::u16string::npos) references = false;
    repaired += RepairLine(line, references);
    begin = end;
  }
  return repaired;
}

}  // namespace teacache
