#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace teacache {

// JSON of any size and origin, parsed by simdjson (a gigabyte or so per second). Every message
// names file, line, column and field. What nests deeper than kMaxJsonDepth is refused.
inline constexpr int kMaxJsonDepth = 64;

class JsonDocument;

// One value of a document. Valid until the document parses another text.
class JsonNode {
 public:
  bool is_null() const { return type() == 'n'; }
  bool is_bool() const { return type() == 't' || type() == 'f'; }
  bool is_number() const { return type() == 'd' || type() == 'l' || type() == 'u'; }
  bool is_integer() const { return type() == 'l'; }  // of 64 bits with a sign
  bool is_string() const { return type() == '"'; }
  bool is_array() const { return type() == '['; }
  bool is_object() const { return type() == '{'; }
  size_t size() const;  // of a list or object; 0 for others

  // False also where this is no object.
  bool Has(std::string_view name) const;
  // Throws UserError where this is no object or has no such member.
  JsonNode At(std::string_view name) const;
  // Throws UserError where this is no list of that length.
  JsonNode At(size_t index) const;
  // A member; none where it is absent or null, which other tools write for "not given".
  std::optional<JsonNode> Given(std::string_view name) const;
  // All members by name. Throws UserError where this is no object or a name appears twice.
  std::map<std::string_view, JsonNode> Members() const;

  // This value; throws UserError where it is of another type.
  bool Bool() const;
  double Number() const;  // any finite number
  int64_t Integer() const;
  std::string String() const;
  std::string_view Text() const;  // lives as long as the node
  // A list of exactly as many finite numbers; false where this is something else.
  bool ReadNumbers(std::span<double> numbers) const;

  // A member; throws UserError when it is absent and there is no fallback.
  double Number(std::string_view name) const;
  double Number(std::string_view name, double fallback) const;
  int64_t Integer(std::string_view name) const;
  int64_t Integer(std::string_view name, int64_t fallback) const;
  std::string String(std::string_view name, std::string fallback) const;

  // Calls visit(node) for each element; throws UserError where this is no list.
  template <typename Visit>
  void ForEachElement(const Visit& visit) const;
  // Calls visit(name, node) for each member; throws UserError where this is no object.
  template <typename Visit>
  void ForEachMember(const Visit& visit) const;

  // Throws UserError "file:line:column: path MUST but is VALUE".
  [[noreturn]] void Refuse(std::string_view must) const;
  // "file:line:column: path", for other messages about this value.
  std::string Where() const;

 private:
  friend class JsonDocument;
  friend class JsonCursor;
  JsonNode(const JsonDocument* document, size_t index) : document_(document), index_(index) {}
  char type() const;  // simdjson's letter
  // False where there is no such member, and where this is no number.
  bool Find(std::string_view name, JsonNode* value) const;
  bool Read(double* number) const;

  const JsonDocument* document_;
  size_t index_;  // on the tape of simdjson's document
};

// Walks through the elements of a list, or the members of an object, in the order of the text.
class JsonCursor {
 public:
  // At the end for a value that is neither.
  explicit JsonCursor(const JsonNode& parent);

  bool AtEnd() const { return at_ >= end_; }
  std::string_view name() const;  // of the member
  JsonNode value() const { return {document_, at_ + (members_ ? 1u : 0u)}; }
  void Next();

 private:
  const JsonDocument* document_;
  size_t at_ = 0;
  size_t end_ = 0;
  bool members_;
};

// Parsed texts, one after the other.
class JsonDocument {
 public:
  // `where` is the file, for messages.
  explicit JsonDocument(std::string where);
  // Parses the whole text, which must outlive the document. Throws UserError "where:line:column:
  // must be valid JSON but is not: ...".
  JsonDocument(const std::string& text, std::string where);
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  // Parses `text`, which begins in line `line` of the file. `room`: the bytes behind it that may be
  // read; with fewer than 64 the text is copied.
  JsonNode Parse(std::string_view text, size_t room = 0, int64_t line = 1);
  JsonNode root() const;
  const std::string& where() const { return where_; }

  // "where:line:column: path" of a value, and the beginning of its text. They walk through the text
  // again: for messages.
  std::string Where(const JsonNode& node) const;
  std::string Shown(const JsonNode& node) const;

 private:
  friend class JsonNode;
  friend class JsonCursor;
  struct State;

  std::string_view text_;
  std::string where_;
  int64_t line_ = 1;
  std::unique_ptr<State> state_;
};

// A text that is kept with its values. Copies share both.
class ParsedJson {
 public:
  // Throws UserError as JsonDocument does.
  ParsedJson(std::string text, std::string where);
  JsonNode root() const;

 private:
  struct Content;
  std::shared_ptr<const Content> content_;
};

bool IsUtf8(std::string_view text);

// The values of a text of JSON lines. Blank lines are not JSON.
class JsonLines {
 public:
  // `text`, as ReadFile returns it, must outlive this.
  JsonLines(const std::string& text, std::string where);
  // The text of a file, read in blocks: lines that are done with take no memory.
  explicit JsonLines(const std::string& path);

  // Parses the next line. False at the end of the text, and at a last line without a line feed.
  // Throws UserError as JsonDocument does.
  bool Next();
  JsonNode value() const { return document_.root(); }
  int64_t line() const { return line_; }       // the number of the line, from 1
  size_t end() const { return base_ + end_; }  // offset behind its line feed
  // Whether the text goes on without another line feed: an interrupted writer.
  bool IsCut() const { return end_ < text_->size(); }
  // "file:line" of the line.
  std::string Where() const;

 private:
  // Adds a block of the file to the text; false at its end.
  bool ReadBlock();

  std::ifstream file_;
  std::string blocks_;       // of the file, from `base_` on
  const std::string* text_;  // these, or the text that was given
  JsonDocument document_;
  int64_t line_ = 0;
  size_t base_ = 0;
  size_t end_ = 0;  // in text_
};

template <typename Visit>
void JsonNode::ForEachElement(const Visit& visit) const {
  if (!is_array()) Refuse("must be a list");
  for (JsonCursor cursor(*this); !cursor.AtEnd(); cursor.Next()) visit(cursor.value());
}

template <typename Visit>
void JsonNode::ForEachMember(const Visit& visit) const {
  if (!is_object()) Refuse("must be an object");
  for (JsonCursor cursor(*this); !cursor.AtEnd(); cursor.Next()) {
    visit(cursor.name(), cursor.value());
  }
}

}  // namespace teacache
