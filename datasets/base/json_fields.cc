#include "datasets/base/json_fields.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/plain_json.h"

namespace teacache {
namespace {

// Whether brackets outside of strings nest deeper than kMaxJsonDepth. Invalid texts have a depth
// too; the parser refuses them.
bool IsTooDeep(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\') ++i;
        }
        break;
      case '[':
      case '{':
        if (++depth > kMaxJsonDepth) return true;
        break;
      case ']':
      case '}':
        --depth;
        break;
      default:
        break;
    }
  }
  return false;
}

}  // namespace

std::string ShownJson(const nlohmann::json& value) {
  std::string text =
      value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

std::string ShownText(std::string_view text) { return ShownJson(std::string(text.substr(0, 61))); }

JsonFields::JsonFields(const nlohmann::json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    ThrowUserError(where_, "must be a JSON object but is {}", ShownJson(object));
  }
}

bool JsonFields::Has(std::string_view name) const { return object_.contains(name); }

const nlohmann::json& JsonFields::At(std::string_view name) const {
  const auto it = object_.find(name);
  if (it == object_.end()) ThrowUserError(where_, "must have the field \"{}\" but has not", name);
  return *it;
}

void JsonFields::Wrong(std::string_view name, std::string_view must) const {
  ThrowUserError(where_, "\"{}\" must be {} but is {}", name, must, ShownJson(At(name)));
}

std::string JsonFields::String(std::string_view name) const {
  const nlohmann::json& value = At(name);
  if (!value.is_string()) Wrong(name, "a string");
  return value.get<std::string>();
}

std::string JsonFields::String(std::string_view name, std::string fallback) const {
  return Has(name) ? String(name) : fallback;
}

double JsonFields::Number(std::string_view name) const {
  const nlohmann::json& value = At(name);
  if (!value.is_number() || !std::isfinite(value.get<double>())) Wrong(name, "a finite number");
  return value.get<double>();
}

double JsonFields::Number(std::string_view name, double fallback) const {
  return Has(name) ? Number(name) : fallback;
}

int64_t JsonFields::Integer(std::string_view name) const {
  const nlohmann::json& value = At(name);
  const bool too_large =
      value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (!value.is_number_integer() || too_large) Wrong(name, "an integer");
  return value.get<int64_t>();
}

int64_t JsonFields::Integer(std::string_view name, int64_t fallback) const {
  return Has(name) ? Integer(name) : fallback;
}

bool JsonFields::Bool(std::string_view name, bool fallback) const {
  if (!Has(name)) return fallback;
  const nlohmann::json& value = At(name);
  if (!value.is_boolean()) Wrong(name, "true or false");
  return value.get<bool>();
}

std::vector<double> JsonFields::Numbers(std::string_view name) const {
  const nlohmann::json& value = At(name);
  if (!value.is_array()) Wrong(name, "a list of finite numbers");
  std::vector<double> numbers;
  for (const nlohmann::json& item : value) {
    if (!item.is_number() || !std::isfinite(item.get<double>())) {
      Wrong(name, "a list of finite numbers");
    }
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

std::vector<int64_t> JsonFields::Integers(std::string_view name) const {
  const nlohmann::json& value = At(name);
  if (!value.is_array()) Wrong(name, "a list of integers");
  std::vector<int64_t> integers;
  for (const nlohmann::json& item : value) {
    if (!item.is_number_integer()) Wrong(name, "a list of integers");
    integers.push_back(item.get<int64_t>());
  }
  return integers;
}

std::vector<bool> JsonFields::Bools(std::string_view name) const {
  const nlohmann::json& value = At(name);
  if (!value.is_array()) Wrong(name, "a list of true and false");
  std::vector<bool> bools;
  for (const nlohmann::json& item : value) {
    if (!item.is_boolean()) Wrong(name, "a list of true and false");
    bools.push_back(item.get<bool>());
  }
  return bools;
}

std::vector<std::string> JsonFields::Strings(std::string_view name) const {
  const nlohmann::json& value = At(name);
  if (!value.is_array()) Wrong(name, "a list of strings");
  std::vector<std::string> strings;
  for (const nlohmann::json& item : value) {
    if (!item.is_string()) Wrong(name, "a list of strings");
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

std::vector<std::string> JsonFields::Unknown(std::initializer_list<std::string_view> known) const {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) unknown.push_back(name);
  }
  return unknown;
}

nlohmann::json TryParseJson(std::string_view text) {
  if (nlohmann::json document; ParsePlainJson(text, &document)) return document;
  if (IsTooDeep(text)) return nlohmann::json::value_t::discarded;
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

nlohmann::json ParseJson(std::string_view text,
                         std::string_view where,
                         const nlohmann::json::parser_callback_t& watch) {
  if (nlohmann::json document; !watch && ParsePlainJson(text, &document)) return document;
  if (IsTooDeep(text)) {
    ThrowUserError(where, "must be JSON of at most {} levels but is deeper", kMaxJsonDepth);
  }
  try {
    return nlohmann::json::parse(text, watch);
  } catch (const nlohmann::json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    std::string reason = e.what();
    if (const size_t end = reason.find("] "); end != std::string::npos) {
      reason = reason.substr(end + 2);
    }
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    // Of a text of one line, which `where` may have named already.
    const std::string first_line = "parse error at line 1, ";
    if (text.find('\n') == std::string_view::npos && reason.rfind(first_line, 0) == 0) {
      reason = "parse error at " + reason.substr(first_line.size());
    }
    constexpr size_t kLongest = 160;  // it may hold a whole string of the text
    if (reason.size() > kLongest) reason = reason.substr(0, kLongest) + "...";
    ThrowUserError(where, "must be valid JSON but is not: {}", reason);
  }
}

}  // namespace teacache
