#include "datasets/base/plain_json.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace teacache {
namespace {

using nlohmann::json;

class PlainJsonReader : public PlainJsonScanner {
 public:
  using PlainJsonScanner::PlainJsonScanner;

  bool ReadValue(int depth, json* value) {
    switch (Peek()) {
      case '{':
        return depth < kMaxJsonDepth && ReadMembers(depth, value);
      case '[':
        return depth < kMaxJsonDepth && ReadItems(depth, value);
      case '"':
        return ReadString(value);
      case 't':
        *value = true;
        return TakeWord("true");
      case 'f':
        *value = false;
        return TakeWord("false");
      case 'n':
        *value = nullptr;
        return TakeWord("null");
      default:
        return ReadAnyNumber(value);
    }
  }

 private:
  bool TakeWord(std::string_view word) {
    if (static_cast<size_t>(end_ - at_) < word.size() ||
        std::string_view(at_, word.size()) != word) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  bool ReadMembers(int depth, json* value) {
    Take('{');
    *value = json::object();
    if (Take('}')) return true;
    auto& members = value->get_ref<json::object_t&>();
    json name;
    do {
      if (Peek() != '"' || !ReadString(&name) || !Take(':')) return false;
      if (!ReadValue(depth + 1, &members[std::move(name.get_ref<std::string&>())])) return false;
    } while (Take(','));
    return Take('}');
  }

  bool ReadItems(int depth, json* value) {
    Take('[');
    *value = json::array();
    if (Take(']')) return true;
    auto& items = value->get_ref<json::array_t&>();
    do {
      if (!ReadValue(depth + 1, &items.emplace_back())) return false;
    } while (Take(','));
    return Take(']');
  }

  bool ReadString(json* value) {
    const char* begin = at_;
    std::string_view text;
    if (ReadText(&text)) {
      *value = std::string(text);
      return true;
    }
    // Escapes or UTF-8: the general parser reads this string alone.
    const char* stop = begin + 1;
    while (stop < end_ && *stop != '"') stop += *stop == '\\' ? 2 : 1;
    if (stop >= end_) return false;
    at_ = stop + 1;
    *value = json::parse(begin, at_, nullptr, /*allow_exceptions=*/false);
    return value->is_string();
  }

  bool ReadAnyNumber(json* value) {
    const char* begin = at_;
    const bool negative = at_ != end_ && *at_ == '-';
    const char* stop = at_ + (negative ? 1 : 0);
    while (stop != end_ && IsDigit(*stop)) ++stop;
    if (stop == end_ || (*stop != '.' && *stop != 'e' && *stop != 'E')) {
      int64_t signed_number = 0;
      uint64_t number = 0;
      if (!(negative ? ReadNumber(&signed_number) : ReadNumber(&number))) return false;
      *value = negative ? json(signed_number) : json(number);
      return true;
    }
    at_ = begin;
    double number = 0;
    if (!ReadNumber(&number)) return false;
    *value = number;
    return true;
  }
};

}  // namespace

bool ParsePlainJson(std::string_view text, json* document) {
  PlainJsonReader reader(text);
  return reader.ReadValue(0, document) && reader.AtEnd();
}

}  // namespace teacache
