#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "datasets/base/json.h"

namespace teacache {

// The fields of a struct are listed once, for reading and for writing JSON:
//
//   template <typename Archive>
//   void Visit(Archive& archive, TraceRow& row) {
//     archive.Required("seed", row.seed);       // must be there
//     archive("title", row.title);              // always written; where it is absent, title stays
//     archive.Optional("expert", row.expert);   // not written at its default; absent = the default
//     archive.Check(row.seed >= 0, "must not be negative");  // of the field before
//   }
//
// Archive is a JsonReader or a JsonWriter. Values are bool, integers, double, std::string,
// std::optional (none = null), std::vector, std::array, std::pair and std::tuple (lists of their
// lengths), std::map by name, structs with a Visit, JsonNode (only to be written), and types with
//   void ReadJson(const JsonNode& node) const;
//   void WriteJson(JsonText* text) const;
// such as NumberOrNull{value}. Reading is strict: unknown fields, a field that appears twice,
// wrong types and numbers that do not fit throw UserError with file, line, column and path. Writing
// refuses what reading would: numbers that are not finite and failed checks.

// What becomes of a text that is not UTF-8 when it is written.
enum class BadUtf8 {
  kRefuse,   // UserError
  kReplace,  // U+FFFD: a damaged file name must not make a whole file unwritable
};

// JSON text while it is written.
class JsonText {
 public:
  // `where` begins every message. `indent` < 0: one line.
  JsonText(std::string where, int indent, BadUtf8 bad_utf8)
      : where_(std::move(where)), indent_(indent), bad_utf8_(bad_utf8) {}

  // '{' and '}', '[' and ']'.
  void Begin(char bracket);
  void End(char bracket);
  // Before each value of an object.
  void Name(std::string_view name);
  void Value(bool value);
  void Value(int64_t value);
  void Value(double value);  // throws UserError for NaN and infinities
  void Value(std::string_view value);
  void Json(std::string_view value);  // as it is
  void Null();

  // Throws UserError "where: NAME MUST but is VALUE" of the value that was written last.
  [[noreturn]] void Refuse(std::string_view must) const;
  const std::string& text() const { return text_; }

 private:
  void BeginValue();
  void NewLine();
  void Append(std::string_view text);

  std::string where_;
  int indent_;
  BadUtf8 bad_utf8_;
  std::string text_;
  int depth_ = 0;
  bool first_ = true;  // of the list or object
  bool after_name_ = false;
  std::string name_;        // the last one
  size_t value_begin_ = 0;  // of the last value
};

// A number that need not be finite; null stands for `null`, NaN or an infinity.
struct NumberOrNull {
  double& value;
  double null = std::numeric_limits<double>::quiet_NaN();

  void ReadJson(const JsonNode& node) const { value = node.is_null() ? null : node.Number(); }
  void WriteJson(JsonText* text) const;
};

// A text that is JSON itself, as it is kept where its content does not matter.
struct JsonAsText {
  std::string& text;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* json) const { json->Json(text); }
};

// Calls of a run as a text of two letters, "CCSC".
struct CallsText {
  std::vector<bool>& computed;
  const char* letters = "CS";  // of a computed and of a skipped call

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

namespace json_values {

template <typename T>
concept Custom = requires(const T& value, const JsonNode& node, JsonText* text) {
  value.ReadJson(node);
  value.WriteJson(text);
};
template <typename T>
concept Integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;
template <typename T>
concept Tuple = requires {
  std::tuple_size<T>::value;
};
template <typename T>
concept Struct = std::is_class_v<T> && !Custom<T> && !Tuple<T>;

inline void Read(const JsonNode& node, bool& value) { value = node.Bool(); }
inline void Read(const JsonNode& node, double& value) { value = node.Number(); }
inline void Read(const JsonNode& node, std::string& value) { value = node.Text(); }
template <Integer T>
void Read(const JsonNode& node, T& value);
template <Custom T>
void Read(const JsonNode& node, const T& value);
template <typename T>
void Read(const JsonNode& node, std::optional<T>& value);
template <typename T>
void Read(const JsonNode& node, std::vector<T>& values);
template <Tuple T>
void Read(const JsonNode& node, T& values);
template <typename T>
void Read(const JsonNode& node, std::map<std::string, T>& values);
template <Struct T>
void Read(const JsonNode& node, T& value);

inline void Write(JsonText* text, bool value) { text->Value(value); }
inline void Write(JsonText* text, double value) { text->Value(value); }
inline void Write(JsonText* text, const std::string& value) { text->Value(value); }
void Write(JsonText* text, const JsonNode& value);
template <Integer T>
void Write(JsonText* text, const T& value);
template <Custom T>
void Write(JsonText* text, const T& value);
template <typename T>
void Write(JsonText* text, const std::optional<T>& value);
template <typename T>
void Write(JsonText* text, const std::vector<T>& values);
template <Tuple T>
void Write(JsonText* text, const T& values);
template <typename Name, typename T>
void Write(JsonText* text, const std::map<Name, T>& values);
template <Struct T>
void Write(JsonText* text, const T& value);

}  // namespace json_values

// Reads the fields of one object.
class JsonReader {
 public:
  static constexpr bool kReads = true;

  // Throws UserError for what is no object.
  explicit JsonReader(const JsonNode& object);
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  template <typename T>
  void Required(std::string_view name, T&& value) {
    if (!Take(name)) object_.At(name);  // throws
    json_values::Read(last_, value);
  }
  template <typename T>
  void operator()(std::string_view name, T&& value) {
    if (Take(name)) json_values::Read(last_, value);
  }
  template <typename T>
  void Optional(std::string_view name, T& value, const std::type_identity_t<T>& fallback = T()) {
    if (Take(name)) {
      json_values::Read(last_, value);
    } else {
      value = fallback;
    }
  }
  // Written unless `is_default`; where it is absent, the value stays.
  template <typename T>
  void OptionalUnless(bool /*is_default*/, std::string_view name, T&& value) {
    (*this)(name, value);
  }

  // "format" and "version", first. Returns the version.
  int64_t Format(std::string_view format, int64_t version) {
    return Format(format, version, version);
  }
  int64_t Format(std::string_view format, int64_t version, int64_t oldest);

  // Refuses the value of the last field; where it was absent, the object.
  void Check(bool is_right, std::string_view must) const {
    if (!is_right) last_.Refuse(must);
  }
  void CheckBetween(int64_t value, int64_t low, int64_t high) const {
    if (value < low || value > high) RefuseBetween(low, high);
  }

  // For fields that are read in another way: whether the field is there. It is then in value().
  bool Take(std::string_view name);
  const JsonNode& value() const { return last_; }

  // Throws UserError for a field that was not taken or appears twice.
  void Finish() const;
  // The fields that were not taken. Throws UserError for a field that appears twice.
  std::vector<std::string> Unknown() const;

 private:
  struct Field {
    std::string_view name;
    JsonNode value;
    bool taken = false;
  };

  [[noreturn]] void RefuseBetween(int64_t low, int64_t high) const;

  JsonNode object_;
  JsonNode last_;
  std::vector<Field> fields_;
  size_t next_ = 0;   // fields are mostly taken in the order of the text
  size_t taken_ = 0;  // how many
};

// Writes the fields of one object.
class JsonWriter {
 public:
  static constexpr bool kReads = false;

  explicit JsonWriter(JsonText* text) : text_(text) {}

  template <typename T>
  void Required(std::string_view name, const T& value) {
    text_->Name(name);
    json_values::Write(text_, value);
  }
  template <typename T>
  void operator()(std::string_view name, const T& value) {
    Required(name, value);
  }
  template <typename T>
  void Optional(std::string_view name,
                const T& value,
                const std::type_identity_t<T>& fallback = T()) {
    if (!(value == fallback)) Required(name, value);
  }
  template <typename T>
  void OptionalUnless(bool is_default, std::string_view name, const T& value) {
    if (!is_default) Required(name, value);
  }

  int64_t Format(std::string_view format, int64_t version, int64_t /*oldest*/ = 0) {
    Required("format", std::string(format));
    Required("version", version);
    return version;
  }

  void Check(bool is_right, std::string_view must) const {
    if (!is_right) text_->Refuse(must);
  }
  void CheckBetween(int64_t value, int64_t low, int64_t high) const;

 private:
  JsonText* text_;
};

// A struct with a Visit as JSON text, without a line feed at the end.
template <typename T>
std::string ToJson(const T& value,
                   const std::string& where,
                   int indent = -1,
                   BadUtf8 bad_utf8 = BadUtf8::kRefuse) {
  JsonText text(where, indent, bad_utf8);
  json_values::Write(&text, value);
  return text.text();
}

// Reads a value of any of these types.
template <typename T>
T FromJson(const JsonNode& node) {
  T value{};
  json_values::Read(node, value);
  return value;
}

// Throws UserError naming `where`, the file. `text`: as ReadFile returns it, or it is copied.
template <typename T>
T FromJson(const std::string& text, const std::string& where) {
  const JsonDocument document(text, where);
  return FromJson<T>(document.root());
}

// For files of other tools, of whose fields few matter: reads a member, where it is given (see
// JsonNode::Given), and returns whether it is.
template <typename T>
bool ReadGiven(const JsonNode& object, std::string_view name, T* value) {
  const std::optional<JsonNode> given = object.Given(name);
  if (given) json_values::Read(*given, *value);
  return given.has_value();
}

namespace json_values {

template <Integer T>
void Read(const JsonNode& node, T& value) {
  const int64_t number = node.Integer();
  if (!std::in_range<T>(number)) node.Refuse("must be an integer in its range");
  value = static_cast<T>(number);
}

template <Custom T>
void Read(const JsonNode& node, const T& value) {
  value.ReadJson(node);
}

template <typename T>
void Read(const JsonNode& node, std::optional<T>& value) {
  value.reset();
  if (!node.is_null()) Read(node, value.emplace());
}

template <typename T>
void Read(const JsonNode& node, std::vector<T>& values) {
  values.clear();
  node.ForEachElement([&](const JsonNode& element) {
    T value{};
    Read(element, value);
    values.push_back(std::move(value));
  });
}

// A list of so many values.
JsonCursor ListOf(const JsonNode& node, size_t length);

template <Tuple T>
void Read(const JsonNode& node, T& values) {
  JsonCursor cursor = ListOf(node, std::tuple_size_v<T>);
  const auto read = [&cursor](auto& value) {
    Read(cursor.value(), value);
    cursor.Next();
  };
  std::apply([&read](auto&... value) { (read(value), ...); }, values);
}

template <typename T>
void Read(const JsonNode& node, std::map<std::string, T>& values) {
  values.clear();
  node.ForEachMember([&](std::string_view name, const JsonNode& member) {
    const auto [it, inserted] = values.try_emplace(std::string(name));
    if (!inserted) member.Refuse("must be there once");
    Read(member, it->second);
  });
}

template <Struct T>
void Read(const JsonNode& node, T& value) {
  JsonReader reader(node);
  Visit(reader, value);
  reader.Finish();
}

template <Integer T>
void Write(JsonText* text, const T& value) {
  text->Value(static_cast<int64_t>(value));
}

template <Custom T>
void Write(JsonText* text, const T& value) {
  value.WriteJson(text);
}

template <typename T>
void Write(JsonText* text, const std::optional<T>& value) {
  if (value) {
    Write(text, *value);
  } else {
    text->Null();
  }
}

template <typename T>
void Write(JsonText* text, const std::vector<T>& values) {
  text->Begin('[');
  for (const auto& value : values) Write(text, static_cast<const T&>(value));
  text->End(']');
}

template <Tuple T>
void Write(JsonText* text, const T& values) {
  text->Begin('[');
  std::apply([text](const auto&... value) { (Write(text, value), ...); }, values);
  text->End(']');
}

template <typename Name, typename T>
void Write(JsonText* text, const std::map<Name, T>& values) {
  text->Begin('{');
  for (const auto& [name, value] : values) {
    text->Name(name);
    Write(text, value);
  }
  text->End('}');
}

template <Struct T>
void Write(JsonText* text, const T& value) {
  text->Begin('{');
  JsonWriter writer(text);
  // Visit serves both directions and takes what may change; a writer only reads.
  Visit(writer, const_cast<T&>(value));
  text->End('}');
}

}  // namespace json_values
}  // namespace teacache
