#include "datasets/base/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "datasets/base/plain_json.h"

namespace teacache {
namespace {

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text;
}

// "12:7": line and column of a byte, both from 1.
std::string LineAndColumn(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t feed = before.rfind('\n');
  return fmt::format("{}:{}", line, feed == std::string_view::npos ? at + 1 : at - feed);
}

// Walks through a text that is known to be JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) { PassBlanks(); }

  size_t at() const { return at_; }

  void GoTo(const JsonPath::Step& step) {
    ++at_;  // the bracket
    PassBlanks();
    if (step.name == nullptr) {
      for (size_t i = 0; i < step.size; ++i) PassEntry();
      return;
    }
    while (PassName() != std::string_view(step.name, step.size)) PassEntry();
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

  // A value and the comma behind it.
  void PassEntry() {
    PassValue();
    PassBlanks();
    ++at_;
    PassBlanks();
  }

  std::string PassName() {
    const size_t begin = at_;
    PassText();
    const std::string_view quoted = text_.substr(begin, at_ - begin);
    PassBlanks();
    ++at_;  // the colon
    PassBlanks();
    return nlohmann::json::parse(quoted).get<std::string>();
  }

  std::string_view text_;
  size_t at_ = 0;
};

Walker WalkTo(std::string_view text, const JsonPath& path) {
  Walker walker(text);
  for (const JsonPath::Step& step : path) walker.GoTo(step);
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
  if (reason.size() > 160) reason = reason.substr(0, 160) + "...";
  return OneLine(std::move(reason));
}

[[noreturn]] void RefuseText(std::string_view text,
                             const std::string& where,
                             simdjson::error_code error) {
  MistakeFinder finder;
  nlohmann::json::sax_parse(text, &finder);
  if (!finder.read) {
    ThrowUserError(where, "must be JSON that can be read but is not: {}", error_message(error));
  }
  const size_t at = std::min(std::max(*finder.read, size_t{1}) - 1, text.size());
  ThrowUserError(fmt::format("{}:{}", where, LineAndColumn(text, at)),
                 "must be valid JSON but is not: {}",
                 WithoutPlace(finder.reason));
}

}  // namespace

std::string JsonPath::ToString() const {
  std::string text;
  for (const Step& step : *this) {
    if (step.name == nullptr) {
      text += fmt::format("[{}]", step.size);
    } else {
      text += fmt::format("{}{}", text.empty() ? "" : ".", std::string_view(step.name, step.size));
    }
  }
  return text;
}

size_t JsonNode::size() const {
  if (simdjson::dom::array list; value_.get(list) == simdjson::SUCCESS) {
    size_t count = 0;  // list.size() ends at 0xFFFFFF
    for (auto it = list.begin(); it != list.end(); ++it) ++count;
    return count;
  }
  if (simdjson::dom::object object; value_.get(object) == simdjson::SUCCESS) return object.size();
  return 0;
}

bool JsonNode::Find(std::string_view name, simdjson::dom::element* value) const {
  simdjson::dom::object object;
  if (value_.get(object) != simdjson::SUCCESS) return false;
  return object.at_key(name).get(*value) == simdjson::SUCCESS;
}

bool JsonNode::Has(std::string_view name) const {
  simdjson::dom::element value;
  return Find(name, &value);
}

JsonNode JsonNode::At(std::string_view name) const {
  if (!is_object()) Refuse("must be an object");
  simdjson::dom::element value;
  if (!Find(name, &value)) ThrowUserError(Where(), "must have the field \"{}\" but has not", name);
  return {value, *document_, path_.Member(name)};
}

JsonNode JsonNode::At(size_t index) const {
  simdjson::dom::array list;
  if (value_.get(list) != simdjson::SUCCESS) Refuse("must be a list");
  simdjson::dom::element value;
  if (list.at(index).get(value) != simdjson::SUCCESS) {
    Refuse(fmt::format("must have at least {} entries", index + 1));
  }
  return {value, *document_, path_.Element(index)};
}

double JsonNode::Number() const {
  double number = 0;
  if (value_.get(number) != simdjson::SUCCESS) Refuse("must be a finite number");
  return number;
}

int64_t JsonNode::Integer() const {
  int64_t number = 0;
  if (value_.get(number) != simdjson::SUCCESS) Refuse("must be an integer");
  return number;
}

std::string JsonNode::String() const {
  std::string_view text;
  if (value_.get(text) != simdjson::SUCCESS) Refuse("must be a string");
  return std::string(text);
}

bool JsonNode::ReadNumbers(std::span<double> numbers) const {
  simdjson::dom::array list;
  if (value_.get(list) != simdjson::SUCCESS) return false;
  size_t count = 0;
  for (const simdjson::dom::element element : list) {
    if (count == numbers.size() || element.get(numbers[count]) != simdjson::SUCCESS) return false;
    ++count;
  }
  return count == numbers.size();
}

template <typename Value>
bool JsonNode::Get(std::string_view name, Value* number) const {
  simdjson::dom::element value;
  return Find(name, &value) && value.get(*number) == simdjson::SUCCESS;
}

double JsonNode::Number(std::string_view name) const {
  double number = 0;
  return Get(name, &number) ? number : At(name).Number();  // At says what is wrong
}

double JsonNode::Number(std::string_view name, double fallback) const {
  return Has(name) ? Number(name) : fallback;
}

int64_t JsonNode::Integer(std::string_view name) const {
  int64_t number = 0;
  return Get(name, &number) ? number : At(name).Integer();  // At says what is wrong
}

int64_t JsonNode::Integer(std::string_view name, int64_t fallback) const {
  return Has(name) ? Integer(name) : fallback;
}

std::string JsonNode::String(std::string_view name, std::string fallback) const {
  return Has(name) ? At(name).String() : std::move(fallback);
}

void JsonNode::Refuse(std::string_view must) const {
  ThrowUserError(Where(), "{} but is {}", must, document_->Shown(path_));
}

std::string JsonNode::Where() const { return document_->Where(path_); }

JsonDocument::JsonDocument(const std::string& text, std::string where)
    : text_(text), where_(std::move(where)) {
  if (text.size() > simdjson::SIMDJSON_MAXSIZE_BYTES) {
    ThrowUserError(where_, "must be below 4 GiB, as JSON, but has {} bytes", text.size());
  }
  simdjson::error_code error =
      parser_.allocate(std::max<size_t>(text.size(), 64), size_t{kMaxJsonDepth} + 1);
  // Copies the text unless the string has room for looking ahead (see ReadFile).
  if (error == simdjson::SUCCESS) error = parser_.parse(text).get(root_);
  if (error == simdjson::DEPTH_ERROR) {
    ThrowUserError(where_, "must be JSON of at most {} levels but is deeper", kMaxJsonDepth);
  }
  if (error != simdjson::SUCCESS) RefuseText(text, where_, error);
}

std::string JsonDocument::Where(const JsonPath& path) const {
  const std::string place = LineAndColumn(text_, WalkTo(text_, path).at());
  const std::string name = OneLine(path.ToString());
  return fmt::format("{}:{}{}{}", where_, place, name.empty() ? "" : ": ", name);
}

std::string JsonDocument::Shown(const JsonPath& path) const {
  constexpr size_t kLongest = 60;
  Walker walker = WalkTo(text_, path);
  const size_t begin = walker.at();
  walker.PassValue();
  std::string text(text_.substr(begin, std::min(walker.at() - begin, kLongest + 1)));
  if (text.size() > kLongest) {
    size_t end = kLongest - 3;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // no half character
    text = text.substr(0, end) + "...";
  }
  return OneLine(std::move(text));
}

}  // namespace teacache
