#pragma once

// What reader, writer and merger of traces share.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// What tells rows apart: (prompt, seed, branch, expert, call). Points into the row.
using RowKey = std::tuple<std::string_view, int64_t, std::string_view, std::string_view, int>;

struct RowKeyHash {
  size_t operator()(const RowKey& key) const {
    const auto& [prompt, seed, branch, expert, call] = key;
    size_t hash = std::hash<std::string_view>()(prompt);
    hash = hash * 31 + std::hash<int64_t>()(seed);
    hash = hash * 31 + std::hash<std::string_view>()(branch);
    hash = hash * 31 + std::hash<std::string_view>()(expert);
    return hash * 31 + static_cast<size_t>(call);
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
