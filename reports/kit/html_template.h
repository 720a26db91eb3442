#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace teacache {

// Fills the HTML files of the pages with values. The tags are those of Mustache
// (mustache.github.io), as far as the pages need them:
//   {{name}}     the value as text, escaped
//   {{~name}}    the same, where a number keeps its unit on the line (not in Mustache)
//   {{{name}}}   the value as HTML
//   {{.}}        the item of a list of plain values
//   {{#name}}...{{/name}}  once for every item of a list; else once, unless the value is missing,
//                          null, false, "" or []
//   {{^name}}...{{/name}}  where the above would write nothing
// A name is looked up in the innermost section first, then in those around it. A section tag alone
// on a line takes the line with it. Throws std::invalid_argument for a value that is missing and
// for sections that do not match: faults of a template, which its tests find.
std::string FillTemplate(std::string_view html, const nlohmann::ordered_json& values);

}  // namespace teacache
