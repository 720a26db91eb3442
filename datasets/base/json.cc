#include "datasets/base/json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <vector>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using simdjson::internal::tape_ref;
using simdjson::internal::tape_type;

constexpr size_t kRoot = 1;             // place of the root on simdjson's tape
constexpr size_t kPadding = 64;         // simdjson looks ahead so far
constexpr size_t kBlock = 1 << 22;      // of a file of lines
constexpr size_t kLongest = 60;         // of a value in a message
constexpr size_t kLongestReason = 160;  // it may hold a whole string of the text

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text;
}

// "12:7": line and column of a byte of a text that begins in line `line`, both from 1.
std::string LineAndColumn(std::string_view text, int64_t line, size_t at) {
  const std::string_view before = text.substr(0, at);
  line += std::count(before.begin(), before.end(), '\n');
  const size_t feed = before.rfind('\n');
  return fmt::format("{}:{}", line, feed == std::string_view::npos ? at + 1 : at - feed);
}

// Walks through a text that is known to be JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) { PassBlanks(); }

  size_t at() const { return at_; }

  // From a list or an object to its child number `index`.
  void GoToChild(size_t index) {
    const bool members = text_[at_] == '{';
    ++at_;  // the bracket
    PassBlanks();
    for (size_t i = 0; i < index; ++i) {
      if (members) PassName();
      PassValue();
      PassBlanks();
      ++at_;  // the comma
      PassBlanks();
    }
    if (members) PassName();
  }

  void PassValue() {
    int depth = 0;
    do {
      switch (text_[at_]) {
        case '"':
          PassText();
          break;
        case '{':
        case '[':
          ++depth;
          ++at_;
          break;
        case '}':
        case ']':
          --depth;
          ++at_;
          break;
        case ',':
        case ':':
          ++at_;
          break;
        default:
          while (at_ < text_.size() &&
                 std::string_view(" \t\r\n,]}").find(text_[at_]) == std::string_view::npos) {
            ++at_;
          }
      }
      if (depth > 0) PassBlanks();
    } while (depth > 0);
  }

 private:
  void PassBlanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  void PassText() {
    for (++at_; text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  void PassName() {
    PassText();
    PassBlanks();
    ++at_;  // the colon
    PassBlanks();
  }

  std::string_view text_;
  size_t at_ = 0;
};

Walker WalkTo(std::string_view text, const std::vector<size_t>& children) {
  Walker walker(text);
  for (const size_t child : children) walker.GoToChild(child);
  return walker;
}

// Keeps nothing but the first mistake and its place: simdjson says what is wrong, but not where.
struct MistakeFinder : nlohmann::json_sax<nlohmann::json> {
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position,
                   const std::string&,
                   const nlohmann::detail::exception& e) override {
    read = position;
    reason = e.what();
    return false;
  }

  std::optional<size_t> read;  // bytes up to and with the mistake
  std::string reason;
};

// "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while ..."
std::string WithoutPlace(std::string reason) {
  if (const size_t code = reason.find("] "); code != std::string::npos) reason.erase(0, code + 2);
  if (reason.rfind("parse error at ", 0) == 0) reason.erase(0, reason.find(": ") + 2);
  if (reason.size() > kLongestReason) reason = reason.substr(0, kLongestReason) + "...";
  return OneLine(std::move(reason));
}

[[noreturn]] void RefuseText(std::string_view text,
                             const std::string& where,
                             int64_t line,
                             simdjson::error_code error) {
  if (error == simdjson::DEPTH_ERROR) {
    ThrowUserError(where, "must be JSON of at most {} levels but is deeper", kMaxJsonDepth);
  }
  MistakeFinder finder;
  nlohmann::json::sax_parse(text, &finder);
  if (!finder.read && error == simdjson::NUMBER_ERROR) {
    ThrowUserError(fmt::format("{}:{}", where, line),
                   "must hold integers of at most 64 bits but one is larger");
  }
  if (!finder.read) {
    ThrowUserError(fmt::format("{}:{}", where, line),
                   "must be JSON that can be read but is not: {}",
                   error_message(error));
  }
  const size_t at = std::min(std::max(*finder.read, size_t{1}) - 1, text.size());
  ThrowUserError(fmt::format("{}:{}", where, LineAndColumn(text, line, at)),
                 "must be valid JSON but is not: {}",
                 WithoutPlace(finder.reason));
}

// The beginning of a text as messages show it.
std::string Shortened(std::string_view text) {
  if (text.size() <= kLongest) return OneLine(std::string(text));
  size_t end = kLongest - 3;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // no half character
  return OneLine(std::string(text.substr(0, end)) + "...");
}

// The way from the root of a document to a value.
struct JsonWay {
  std::vector<size_t> children;  // the number of the child at each level
  std::string name;              // "trajectories[3].seed"
};

}  // namespace

// simdjson's document stays out of the header, whose 30,000 lines every source would compile.
struct JsonDocument::State {
  tape_ref At(size_t index) const { return {&parser.doc, index}; }
  tape_type TypeAt(size_t index) const { return At(index).tape_ref_type(); }

  JsonWay WayTo(const JsonDocument& document, size_t target) const {
    JsonWay way;
    size_t at = kRoot;
    while (at != target) {
      // Children lie on the tape one after the other, each with all that is in it.
      size_t number = 0;
      JsonCursor child(JsonNode(&document, at));
      for (JsonCursor next = child;; ++number, child = next) {
        next.Next();
        if (next.AtEnd() || next.value().index_ > target) break;
      }
      way.children.push_back(number);
      if (TypeAt(at) == tape_type::START_ARRAY) {
        way.name += fmt::format("[{}]", number);
      } else {
        way.name += fmt::format("{}{}", way.name.empty() ? "" : ".", child.name());
      }
      at = child.value().index_;
    }
    return way;
  }

  simdjson::dom::parser parser;
};

JsonCursor::JsonCursor(const JsonNode& parent)
    : document_(parent.document_), members_(parent.is_object()) {
  if (members_ || parent.is_array()) {
    at_ = parent.index_ + 1;
    end_ = document_->state_->At(parent.index_).matching_brace_index() - 1;
  }
}

std::string_view JsonCursor::name() const { return document_->state_->At(at_).get_string_view(); }

void JsonCursor::Next() { at_ = document_->state_->At(value().index_).after_element(); }

char JsonNode::type() const { return static_cast<char>(document_->state_->TypeAt(index_)); }

size_t JsonNode::size() const {
  size_t count = 0;  // simdjson's own count ends at 0xFFFFFF
  for (JsonCursor cursor(*this); !cursor.AtEnd(); cursor.Next()) ++count;
  return count;
}

bool JsonNode::Find(std::string_view name, JsonNode* value) const {
  if (!is_object()) return false;
  for (JsonCursor cursor(*this); !cursor.AtEnd(); cursor.Next()) {
    if (cursor.name() != name) continue;
    *value = cursor.value();
    return true;
  }
  return false;
}

bool JsonNode::Has(std::string_view name) const {
  JsonNode value = *this;
  return Find(name, &value);
}

JsonNode JsonNode::At(std::string_view name) const {
  if (!is_object()) Refuse("must be an object");
  JsonNode value = *this;
  if (!Find(name, &value)) ThrowUserError(Where(), "must have the field \"{}\" but has not", name);
  return value;
}

JsonNode JsonNode::At(size_t index) const {
  if (!is_array()) Refuse("must be a list");
  JsonCursor cursor(*this);
  for (size_t i = 0; i < index && !cursor.AtEnd(); ++i) cursor.Next();
  if (cursor.AtEnd()) Refuse(fmt::format("must have at least {} entries", index + 1));
  return cursor.value();
}

std::optional<JsonNode> JsonNode::Given(std::string_view name) const {
  JsonNode value = *this;
  if (!Find(name, &value) || value.is_null()) return std::nullopt;
  return value;
}

std::map<std::string_view, JsonNode> JsonNode::Members() const {
  std::map<std::string_view, JsonNode> members;
  ForEachMember([&](std::string_view name, const JsonNode& member) {
    if (!members.emplace(name, member).second) member.Refuse("must be there once");
  });
  return members;
}

bool JsonNode::Bool() const {
  if (!is_bool()) Refuse("must be true or false");
  return type() == 't';
}

bool JsonNode::Read(double* number) const {
  const tape_ref tape = document_->state_->At(index_);
  switch (tape.tape_ref_type()) {
    case tape_type::DOUBLE:
      *number = tape.next_tape_value<double>();
      return true;
    case tape_type::INT64:
      *number = static_cast<double>(tape.next_tape_value<int64_t>());
      return true;
    case tape_type::UINT64:
      *number = static_cast<double>(tape.next_tape_value<uint64_t>());
      return true;
    default:
      return false;
  }
}

double JsonNode::Number() const {
  double number = 0;
  if (!Read(&number)) Refuse("must be a finite number");
  return number;
}

int64_t JsonNode::Integer() const {
  const tape_ref tape = document_->state_->At(index_);
  // simdjson keeps as unsigned only what is above INT64_MAX.
  if (tape.tape_ref_type() != tape_type::INT64) Refuse("must be an integer");
  return tape.next_tape_value<int64_t>();
}

std::string_view JsonNode::Text() const {
  if (!is_string()) Refuse("must be a string");
  return document_->state_->At(index_).get_string_view();
}

std::string JsonNode::String() const { return std::string(Text()); }

bool JsonNode::ReadNumbers(std::span<double> numbers) const {
  if (!is_array()) return false;
  size_t count = 0;
  for (JsonCursor cursor(*this); !cursor.AtEnd(); cursor.Next()) {
    if (count == numbers.size() || !cursor.value().Read(&numbers[count])) return false;
    ++count;
  }
  return count == numbers.size();
}

double JsonNode::Number(std::string_view name) const { return At(name).Number(); }

double JsonNode::Number(std::string_view name, double fallback) const {
  JsonNode value = *this;
  return Find(name, &value) ? value.Number() : fallback;
}

int64_t JsonNode::Integer(std::string_view name) const { return At(name).Integer(); }

int64_t JsonNode::Integer(std::string_view name, int64_t fallback) const {
  JsonNode value = *this;
  return Find(name, &value) ? value.Integer() : fallback;
}

std::string JsonNode::String(std::string_view name, std::string fallback) const {
  JsonNode value = *this;
  return Find(name, &value) ? value.String() : std::move(fallback);
}

void JsonNode::Refuse(std::string_view must) const {
  ThrowUserError(Where(), "{} but is {}", must, document_->Shown(*this));
}

std::string JsonNode::Where() const { return document_->Where(*this); }

JsonDocument::JsonDocument(std::string where)
    : where_(std::move(where)), state_(std::make_unique<State>()) {}

JsonDocument::JsonDocument(const std::string& text, std::string where)
    : JsonDocument(std::move(where)) {
  Parse(text, text.capacity() - text.size());
}

JsonDocument::~JsonDocument() = default;

JsonNode JsonDocument::root() const { return {this, kRoot}; }

JsonNode JsonDocument::Parse(std::string_view text, size_t room, int64_t line) {
  text_ = text;
  line_ = line;
  if (text.size() > simdjson::SIMDJSON_MAXSIZE_BYTES) {
    ThrowUserError(where_, "must be below 4 GiB, as JSON, but has {} bytes", text.size());
  }
  simdjson::dom::parser& parser = state_->parser;
  simdjson::error_code error = simdjson::SUCCESS;
  if (parser.capacity() < text.size() || parser.capacity() == 0) {
    const size_t capacity = std::max({text.size(), 2 * parser.capacity(), size_t{1024}});
    error = parser.allocate(std::min(capacity, simdjson::SIMDJSON_MAXSIZE_BYTES),
                            size_t{kMaxJsonDepth});
  }
  if (error == simdjson::SUCCESS) {
    error = parser.parse(text.data(), text.size(), /*realloc_if_needed=*/room < kPadding).error();
  }
  if (error != simdjson::SUCCESS) RefuseText(text, where_, line, error);
  return root();
}

std::string JsonDocument::Where(const JsonNode& node) const {
  const JsonWay way = state_->WayTo(*this, node.index_);
  const std::string place = LineAndColumn(text_, line_, WalkTo(text_, way.children).at());
  const std::string name = OneLine(way.name);
  return fmt::format("{}:{}{}{}", where_, place, name.empty() ? "" : ": ", name);
}

std::string JsonDocument::Shown(const JsonNode& node) const {
  Walker walker = WalkTo(text_, state_->WayTo(*this, node.index_).children);
  const size_t begin = walker.at();
  walker.PassValue();
  return Shortened(text_.substr(begin, walker.at() - begin));
}

struct ParsedJson::Content {
  Content(std::string given, std::string where)
      : text(std::move(given)), document(text, std::move(where)) {}

  std::string text;
  JsonDocument document;
};

ParsedJson::ParsedJson(std::string text, std::string where)
    : content_(std::make_shared<const Content>(std::move(text), std::move(where))) {}

JsonNode ParsedJson::root() const { return content_->document.root(); }

bool IsUtf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

JsonLines::JsonLines(const std::string& text, std::string where)
    : text_(&text), document_(std::move(where)) {}

JsonLines::JsonLines(const std::string& path)
    : file_(path, std::ios::binary), text_(&blocks_), document_(path) {
  if (std::filesystem::is_directory(path)) {
    ThrowUserError(path, "must be a file but is a folder");
  }
  if (!file_) ThrowUserError(path, "cannot be opened: {}", std::generic_category().message(errno));
}

bool JsonLines::ReadBlock() {
  if (!file_.is_open() || !file_) return false;
  blocks_.erase(0, end_);
  base_ += end_;
  end_ = 0;
  const size_t old = blocks_.size();
  blocks_.reserve(old + kBlock + kPadding);
  blocks_.resize(old + kBlock);
  errno = 0;
  file_.read(blocks_.data() + old, static_cast<std::streamsize>(kBlock));
  blocks_.resize(old + static_cast<size_t>(file_.gcount()));
  if (file_.bad()) {
    const std::string reason = std::generic_category().message(errno);
    ThrowUserError(document_.where(), "cannot be read: {}", reason);
  }
  return blocks_.size() > old;
}

bool JsonLines::Next() {
  size_t feed = text_->find('\n', end_);
  while (feed == std::string::npos) {
    const size_t looked_at = text_->size() - end_;
    if (!ReadBlock()) return false;
    feed = text_->find('\n', looked_at);
  }
  const std::string_view line = std::string_view(*text_).substr(end_, feed - end_);
  end_ = feed + 1;
  document_.Parse(line, text_->capacity() - feed, ++line_);
  return true;
}

std::string JsonLines::Where() const { return fmt::format("{}:{}", document_.where(), line_); }

}  // namespace teacache
