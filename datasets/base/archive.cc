#include "datasets/base/archive.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "datasets/base/error.h"

namespace teacache {
namespace {

std::string BetweenText(int64_t low, int64_t high) {
  return fmt::format("must be between {} and {}", low, high);
}

}  // namespace

void JsonText::Append(std::string_view text) { text_.append(text); }

void JsonText::NewLine() {
  if (indent_ < 0) return;
  text_ += '\n';
  text_.append(static_cast<size_t>(indent_ * depth_), ' ');
}

void JsonText::BeginValue() {
  if (!after_name_ && depth_ > 0) {
    if (!first_) text_ += ',';
    NewLine();
  }
  first_ = false;
  after_name_ = false;
  value_begin_ = text_.size();
}

void JsonText::Begin(char bracket) {
  BeginValue();
  text_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonText::End(char bracket) {
  --depth_;
  if (!first_) NewLine();
  text_ += bracket;
  first_ = false;
}

void JsonText::Name(std::string_view name) {
  Value(name);
  text_ += indent_ < 0 ? ":" : ": ";
  after_name_ = true;
  name_ = name;
}

void JsonText::Value(bool value) {
  BeginValue();
  Append(value ? "true" : "false");
}

void JsonText::Value(int64_t value) {
  BeginValue();
  fmt::format_to(std::back_inserter(text_), "{}", value);
}

void JsonText::Value(double value) {
  BeginValue();
  if (!std::isfinite(value)) {
    ThrowUserError(where_, "{} must be a finite number but is {}", name_, value);
  }
  std::array<char, 64> digits;
  const char* end = nlohmann::detail::to_chars(digits.data(), digits.data() + digits.size(), value);
  Append({digits.data(), end});
}

void JsonText::Value(std::string_view value) {
  BeginValue();
  using nlohmann::json;
  try {
    text_ += json(value).dump(-1,
                              ' ',
                              /*ensure_ascii=*/false,
                              bad_utf8_ == BadUtf8::kReplace ? json::error_handler_t::replace
                                                             : json::error_handler_t::strict);
  } catch (const json::exception&) {
    ThrowUserError(where_, "text must be UTF-8 but is not");
  }
}

void JsonText::Json(std::string_view value) {
  BeginValue();
  Append(value);
}

void JsonText::Null() {
  BeginValue();
  Append("null");
}

void JsonText::Refuse(std::string_view must) const {
  constexpr size_t kLongest = 60;
  std::string value = text_.substr(value_begin_);
  if (value.size() > kLongest) value = value.substr(0, kLongest - 3) + "...";
  ThrowUserError(where_, "{} {} but is {}", name_, must, value);
}

void NumberOrNull::WriteJson(JsonText* text) const {
  if (std::isfinite(value)) {
    text->Value(value);
  } else {
    text->Null();
  }
}

void JsonAsText::ReadJson(const JsonNode& node) const { text = ToJson(node, "JSON"); }

void CallsText::ReadJson(const JsonNode& node) const {
  const std::string_view text = node.Text();
  computed.clear();
  for (const char c : text) {
    if (c != letters[0] && c != letters[1]) {
      node.Refuse(fmt::format("must be a text of {} and {}", letters[0], letters[1]));
    }
    computed.push_back(c == letters[0]);
  }
}

void CallsText::WriteJson(JsonText* text) const {
  std::string calls;
  for (const bool call : computed) calls += letters[call ? 0 : 1];
  text->Value(calls);
}

void json_values::Write(JsonText* text, const JsonNode& value) {
  if (value.is_object()) {
    text->Begin('{');
    value.ForEachMember([text](std::string_view name, const JsonNode& member) {
      text->Name(name);
      Write(text, member);
    });
    text->End('}');
  } else if (value.is_array()) {
    text->Begin('[');
    value.ForEachElement([text](const JsonNode& element) { Write(text, element); });
    text->End(']');
  } else if (value.is_string()) {
    text->Value(value.Text());
  } else if (value.is_bool()) {
    text->Value(value.Bool());
  } else if (value.is_integer()) {
    text->Value(value.Integer());
  } else if (value.is_number()) {
    text->Value(value.Number());
  } else {
    text->Null();
  }
}

JsonCursor json_values::ListOf(const JsonNode& node, size_t length) {
  if (!node.is_array() || node.size() != length) {
    node.Refuse(fmt::format("must be a list of {}", length));
  }
  return JsonCursor(node);
}

JsonReader::JsonReader(const JsonNode& object) : object_(object), last_(object) {
  if (!object.is_object()) object.Refuse("must be an object");
  fields_.reserve(object.size());
  for (JsonCursor cursor(object); !cursor.AtEnd(); cursor.Next()) {
    fields_.push_back({cursor.name(), cursor.value()});
  }
}

bool JsonReader::Take(std::string_view name) {
  last_ = object_;
  if (taken_ == fields_.size()) return false;
  const auto take = [&](size_t i) {
    if (fields_[i].name != name) return false;
    fields_[i].taken = true;
    last_ = fields_[i].value;
    next_ = i + 1;
    ++taken_;
    return true;
  };
  for (size_t i = next_; i < fields_.size(); ++i) {
    if (take(i)) return true;
  }
  for (size_t i = 0; i < next_; ++i) {
    if (take(i)) return true;
  }
  return false;
}

int64_t JsonReader::Format(std::string_view format, int64_t version, int64_t oldest) {
  if (!Take("format") || !last_.is_string() || last_.Text() != format) {
    last_.Refuse(fmt::format("must have \"format\": \"{}\"", format));
  }
  int64_t read = 0;
  Required("version", read);
  if (read >= oldest && read <= version) return read;
  ThrowUserError(last_.Where(),
                 "must be {}{} but is {} (written by {} version of the toolkit)",
                 oldest == version ? "" : fmt::format("{} to ", oldest),
                 version,
                 read,
                 read > version ? "a newer" : "another");
}

void JsonReader::RefuseBetween(int64_t low, int64_t high) const {
  last_.Refuse(BetweenText(low, high));
}

void JsonReader::Finish() const {
  if (taken_ == fields_.size()) return;
  const std::string unknown = Unknown().at(0);
  ThrowUserError(
      object_.At(unknown).Where(), "fields must be known ones but one is \"{}\"", unknown);
}

std::vector<std::string> JsonReader::Unknown() const {
  std::vector<std::string> unknown;
  if (taken_ == fields_.size()) return unknown;
  std::set<std::string_view> names;
  for (const Field& field : fields_) {
    if (!names.insert(field.name).second) field.value.Refuse("must be there once");
    if (!field.taken) unknown.emplace_back(field.name);
  }
  return unknown;
}

void JsonWriter::CheckBetween(int64_t value, int64_t low, int64_t high) const {
  if (value < low || value > high) text_->Refuse(BetweenText(low, high));
}

}  // namespace teacache
