#pragma once

#include <nlohmann/json.hpp>

namespace teacache {

// JSON of many alike records as columns, which compress many times better; page/columns.js turns
// them back. A list of two or more becomes
//   objects of the same keys   {"@rows": N, "columns": {key: list of its N values, ...}}
//   the same or null           {"@known": "0110...", "values": the objects in order}
//   lists                      {"@lengths": [...], "values": all their members in order}
// and lists inside likewise. Everything else stays as it is.
nlohmann::ordered_json ToColumns(nlohmann::ordered_json value);

}  // namespace teacache
