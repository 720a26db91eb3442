#pragma once

// JSON of other programs, of any size: parsed by simdjson (a gigabyte or so per second), and every
// complaint names line, column and field.

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datasets/base/error.h"

namespace teacache {

class JsonDocument;

// The way from the root of a document to a value, "trajectories[3].seed". Fixed in depth, so that
// going to a value costs no allocation.
class JsonPath {
 public:
  struct Step {
    const char* name = nullptr;  // of a member; null = element of a list
    size_t size = 0;             // of the name; the index of an element
  };

  JsonPath Member(std::string_view name) const { return With({name.data(), name.size()}); }
  JsonPath Element(size_t index) const { return With({nullptr, index}); }
  // From an element to the one behind it.
  void NextElement() { ++steps_[depth_ - 1].size; }
  // "" for the root.
  std::string ToString() const;

  const Step* begin() const { return steps_.data(); }
  const Step* end() const { return steps_.data() + depth_; }

 private:
  static constexpr size_t kMaxDepth = 6;  // no format goes deeper

  JsonPath With(Step step) const {
    JsonPath path = *this;
    path.steps_.at(path.depth_++) = step;
    return path;
  }

  std::array<Step, kMaxDepth> steps_ = {};
  size_t depth_ = 0;
};

// One value of a document. Valid as long as the document; names must outlive the node.
class JsonNode {
 public:
  JsonNode(simdjson::dom::element value, const JsonDocument& document, const JsonPath& path = {})
      : value_(value), document_(&document), path_(path) {}

  bool is_object() const { return value_.is_object(); }
  bool is_array() const { return value_.is_array(); }
  bool is_number() const { return value_.is_number(); }
  size_t size() const;  // of a list or object; 0 for others

  // False also where this is no object.
  bool Has(std::string_view name) const;
  // Throws UserError where this is no object or has no such member.
  JsonNode At(std::string_view name) const;
  // Throws UserError where this is no list of that length.
  JsonNode At(size_t index) const;

  // This value.
  double Number() const;  // any finite number
  int64_t Integer() const;
  std::string String() const;
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
  void ForEachElement(const Visit& visit) const {
    simdjson::dom::array list;
    if (value_.get(list) != simdjson::SUCCESS) Refuse("must be a list");
    JsonNode node(value_, *document_, path_.Element(0));
    for (const simdjson::dom::element element : list) {
      node.value_ = element;
      visit(std::as_const(node));
      node.path_.NextElement();
    }
  }

  // Calls visit(name, node) for each member; throws UserError where this is no object.
  template <typename Visit>
  void ForEachMember(const Visit& visit) const {
    simdjson::dom::object object;
    if (value_.get(object) != simdjson::SUCCESS) Refuse("must be an object");
    for (const simdjson::dom::key_value_pair member : object) {
      visit(member.key, JsonNode(member.value, *document_, path_.Member(member.key)));
    }
  }

  // Throws UserError "file:line:column: path MUST but is VALUE".
  [[noreturn]] void Refuse(std::string_view must) const;
  // "file:line:column: path", for other complaints about this value.
  std::string Where() const;

 private:
  // The member's value; false where it is not there.
  bool Find(std::string_view name, simdjson::dom::element* value) const;
  template <typename Value>
  bool Get(std::string_view name, Value* number) const;

  simdjson::dom::element value_;
  const JsonDocument* document_;
  JsonPath path_;
};

class JsonDocument {
 public:
  // `text` must outlive the document. Throws UserError "where:line:column: must be valid JSON but
  // is not: ...".
  JsonDocument(const std::string& text, std::string where);

  JsonNode root() const { return {root_, *this}; }

  // "where:line:column: path" of a value, and the beginning of its text. They walk through the text
  // again: for messages.
  std::string Where(const JsonPath& path) const;
  std::string Shown(const JsonPath& path) const;

 private:
  std::string_view text_;
  std::string where_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace teacache
