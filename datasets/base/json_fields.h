#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// Strict reading of one JSON object: every access names the field in its error, and numbers must be
// numbers. Public headers do not show JSON types.
class JsonFields {
 public:
  // `where` starts every message ("trace.jsonl:12"). Throws UserError unless `object` is an object.
  // Keeps a reference to `object`.
  JsonFields(const nlohmann::json& object, std::string where);

  bool Has(std::string_view name) const;
  // Throws UserError when the field is absent.
  const nlohmann::json& At(std::string_view name) const;

  std::string String(std::string_view name) const;
  std::string String(std::string_view name, std::string fallback) const;
  // Any finite number.
  double Number(std::string_view name) const;
  double Number(std::string_view name, double fallback) const;
  int64_t Integer(std::string_view name) const;
  int64_t Integer(std::string_view name, int64_t fallback) const;
  bool Bool(std::string_view name, bool fallback) const;
  std::vector<double> Numbers(std::string_view name) const;
  std::vector<int64_t> Integers(std::string_view name) const;
  std::vector<bool> Bools(std::string_view name) const;
  std::vector<std::string> Strings(std::string_view name) const;

  // The object's field names that are not in `known`, in order.
  std::vector<std::string> Unknown(std::initializer_list<std::string_view> known) const;

  const std::string& where() const { return where_; }

 private:
  [[noreturn]] void Wrong(std::string_view name, std::string_view must) const;

  const nlohmann::json& object_;
  std::string where_;
};

// A value as messages show it: one line, at most 60 characters.
std::string ShownJson(const nlohmann::json& value);
// The same of a text, with quotes.
std::string ShownText(std::string_view text);

// All JSON from outside is parsed by these, which refuse what is deeper than kMaxJsonDepth.
//
// Parses `text`; throws UserError "where: must be JSON but ..." with the position of the mistake.
// `watch` sees every event of the parser, as in nlohmann::json::parse.
nlohmann::json ParseJson(std::string_view text,
                         std::string_view where,
                         const nlohmann::json::parser_callback_t& watch = nullptr);
// A discarded value (is_discarded()) for what is not valid or too deep.
nlohmann::json TryParseJson(std::string_view text);

}  // namespace teacache
