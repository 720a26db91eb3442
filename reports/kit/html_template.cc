#include "reports/kit/html_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "reports/kit/html_page.h"

namespace teacache {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void Fail(std::string_view what, std::string_view name) {
  throw std::invalid_argument(fmt::format("template: {} {{{{{}}}}}", what, name));
}

struct Tag {
  char kind = ' ';  // ' ' text, '~' prose, '{' HTML, '#', '^', '/'
  std::string_view name;
  size_t begin = 0;  // of the tag in the template
  size_t end = 0;
};

class Filler {
 public:
  Filler(std::string_view html, const Json& values) : html_(html), scopes_{&values} {}

  std::string Fill() {
    std::string out;
    Fill(0, "", /*shown=*/true, &out);
    return out;
  }

 private:
  // The next tag at or after `from`; its kind is '\0' where there are no more.
  Tag Next(size_t from) const {
    Tag tag{'\0', "", html_.size(), html_.size()};
    const size_t open = html_.find("{{", from);
    if (open == std::string_view::npos) return tag;
    const bool raw = html_.substr(open).starts_with("{{{");
    const std::string_view close = raw ? "}}}" : "}}";
    const size_t inner = open + close.size();
    const size_t stop = html_.find(close, inner);
    if (stop == std::string_view::npos) Fail("no end of", html_.substr(open + 2, 20));
    tag.begin = open;
    tag.end = stop + close.size();
    tag.name = html_.substr(inner, stop - inner);
    tag.kind = raw ? '{' : ' ';
    if (!raw && !tag.name.empty() &&
        std::string_view("#^/~").find(tag.name[0]) != std::string_view::npos) {
      tag.kind = tag.name[0];
      tag.name.remove_prefix(1);
    }
    return tag;
  }

  static bool IsSection(const Tag& tag) {
    return tag.kind == '#' || tag.kind == '^' || tag.kind == '/';
  }

  // Widens a section tag that is alone on its line to the whole line.
  Tag WholeLine(Tag tag) const {
    const bool starts = tag.begin == 0 || html_[tag.begin - 1] == '\n';
    const bool ends = tag.end < html_.size() && html_[tag.end] == '\n';
    if (IsSection(tag) && starts && ends) ++tag.end;
    return tag;
  }

  const Json* Find(std::string_view name) const {
    if (name == ".") return scopes_.back();
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (!(*scope)->is_object()) continue;
      const auto found = (*scope)->find(name);
      if (found != (*scope)->end()) return &*found;
    }
    return nullptr;
  }

  static bool IsEmpty(const Json* value) {
    return !value || value->is_null() || *value == false || *value == "" ||
           (value->is_array() && value->empty());
  }

  void Put(const Tag& tag, std::string* out) const {
    const Json* value = Find(tag.name);
    if (!value || value->is_structured()) Fail("no value of", tag.name);
    const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
    *out += tag.kind == '{' ? text : tag.kind == '~' ? Prose(text) : EscapeHtml(text);
  }

  // Writes from `at` to the end of section `name` ("" = of the template); returns where that is.
  size_t Fill(size_t at, std::string_view name, bool shown, std::string* out) {
    for (;;) {
      const Tag tag = WholeLine(Next(at));
      if (shown) *out += html_.substr(at, tag.begin - at);
      at = tag.end;
      if (tag.kind == '\0' && !name.empty()) Fail("no end of", name);
      if (tag.kind == '/' && tag.name != name) Fail("no start of", tag.name);
      if (tag.kind == '\0' || tag.kind == '/') return at;
      if (IsSection(tag)) {
        at = FillSection(tag, shown, out);
      } else if (shown) {
        Put(tag, out);
      }
    }
  }

  size_t FillSection(const Tag& tag, bool shown, std::string* out) {
    const Json* value = Find(tag.name);
    const bool empty = IsEmpty(value);
    if (!shown || empty == (tag.kind == '#')) return Fill(tag.end, tag.name, false, out);
    if (tag.kind == '^') return Fill(tag.end, tag.name, true, out);
    size_t end = tag.end;
    const auto fill = [&](const Json& scope) {
      scopes_.push_back(&scope);
      end = Fill(tag.end, tag.name, true, out);
      scopes_.pop_back();
    };
    if (!value->is_array()) {
      fill(*value);
    } else {
      for (const Json& item : *value) fill(item);
    }
    return end;
  }

  std::string_view html_;
  std::vector<const Json*> scopes_;
};

}  // namespace

std::string FillTemplate(std::string_view html, const Json& values) {
  return Filler(html, values).Fill();
}

}  // namespace teacache
