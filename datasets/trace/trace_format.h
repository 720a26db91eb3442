#pragma once

// What reader, writer and merger of traces share.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// What tells rows apart. Points into the row.
struct RowKey {
  std::string_view prompt;
  int64_t seed = 0;
  std::string_view branch;
  std::string_view stream;
  int segment = 0;
  int sample = 0;
  std::string_view expert;
  int call = 0;

  auto operator<=>(const RowKey&) const = default;
};

struct RowKeyHash {
  size_t operator()(const RowKey& key) const {
    size_t hash = std::hash<std::string_view>()(key.prompt);
    for (const std::string_view text : {key.branch, key.stream, key.expert}) {
      hash = hash * 31 + std::hash<std::string_view>()(text);
    }
    for (const int64_t number :
         {key.seed, int64_t{key.segment}, int64_t{key.sample}, int64_t{key.call}}) {
      hash = hash * 31 + static_cast<size_t>(number);
    }
    return hash;
  }
};

RowKey KeyOf(const TraceRow& row);

// "prompt "a cat", seed 0, branch "cond", expert "", call 3", for messages.
std::string Describe(const TraceRow& row);

nlohmann::json HeaderToJson(const TraceHeader& header);
nlohmann::json RowToJson(const TraceRow& row);
// One line; throws UserError for text that is not UTF-8.
std::string DumpLine(const nlohmann::json& j, std::string_view where);

// Throw UserError naming the field and what it must be.
TraceHeader HeaderFromJson(const nlohmann::json& j, const std::string& where);
TraceRow RowFromJson(const nlohmann::json& j, const TraceHeader& header, const std::string& where);

// The name of the first field that differs, "" if none; tool_version, shard and part do not count.
std::string FirstDifference(const TraceHeader& a, const TraceHeader& b);

// A trace file split into its complete lines.
struct TraceFile {
  Trace trace;
  std::vector<size_t> row_ends;  // offset of the byte behind each row's line
  size_t header_end = 0;
};

TraceFile ReadTraceFile(const std::string& path);

}  // namespace teacache
