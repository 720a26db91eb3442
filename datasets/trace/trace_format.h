#pragma once

// The fields of a trace in its file, and what tells rows apart: for datasets/trace only.

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/base/archive.h"
#include "datasets/trace/trace.h"

namespace teacache {

template <typename Archive>
void Visit(Archive& archive, L1Sums& sums) {
  archive.Required("diff_l1", sums.diff_l1);
  archive.Check(sums.diff_l1 >= 0, "must not be negative");
  archive.Required("prev_l1", sums.prev_l1);
  archive.Check(sums.prev_l1 >= 0, "must not be negative");
  archive.Required("n", sums.n);
  archive.Check(sums.n > 0 || (sums.n == 0 && sums.diff_l1 == 0 && sums.prev_l1 == 0),
                "must be positive, or 0 where both sums are 0");
}

// How the runs were made: the header without format and version.
template <typename Archive>
void VisitRecipe(Archive& archive, TraceHeader& header) {
  constexpr int kMaxCalls = 1'000'000;
  const auto not_negative = [&archive](int value) {
    archive.Check(value >= 0, "must not be negative");
  };
  archive.Required("model", header.model);
  archive.Required("steps", header.steps);
  archive.CheckBetween(header.steps, 1, kMaxCalls);
  archive.Required("calls", header.calls);
  archive.CheckBetween(header.calls, 1, kMaxCalls);
  archive("scheduler", header.scheduler);
  archive("guidance", header.guidance);
  archive("width", header.width);
  not_negative(header.width);
  archive("height", header.height);
  not_negative(header.height);
  archive("frames", header.frames);
  not_negative(header.frames);
  archive("dtype", header.dtype);
  archive("modulated", header.modulated);
  archive("prompts_digest", header.prompts_digest);
  archive("tool_version", header.tool_version);
  archive.Optional("task", header.task);
  archive.Optional("revision", header.revision);
  archive.Optional("weights_sha256", header.weights_sha256);
  archive.Optional("text_encoder_sha256", header.text_encoder_sha256);
  archive.Optional("shards", header.shards, 1);
  archive.CheckBetween(header.shards, 1, kMaxCalls);
  archive.OptionalUnless(header.shards == 1, "shard", header.shard);
  archive.CheckBetween(header.shard, 0, header.shards - 1);
  archive.Optional("parts", header.parts, 1);
  archive.CheckBetween(header.parts, 1, kMaxCalls);
  archive.OptionalUnless(header.parts == 1, "part", header.part);
  archive.CheckBetween(header.part, 0, header.parts - 1);
}

template <typename Archive>
void Visit(Archive& archive, TraceHeader& header) {
  archive.Format("teacache-trace", TraceHeader::kVersion);
  VisitRecipe(archive, header);
}

// Sums, or null for what was not measured.
struct SumsList {
  std::vector<L1Sums>& sums;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

// A row of a trace with this header.
template <typename Archive>
void Visit(Archive& archive, TraceRow& row, const TraceHeader& header) {
  const auto milliseconds = [&archive](std::string_view name, double& value) {
    archive.Optional(name, value, -1.0);
    archive.Check(value >= 0 || value == -1, "must be milliseconds >= 0");
  };
  archive.Required("prompt", row.prompt);
  archive.Required("seed", row.seed);
  archive("branch", row.branch);
  archive.Check(!row.branch.empty(), "must not be empty");
  archive.Required("call", row.call);
  archive.CheckBetween(row.call, 0, header.calls - 1);
  archive.Required("step", row.step);
  archive.CheckBetween(row.step, 0, std::max(header.steps, header.calls) - 1);
  archive("timestep", row.timestep);
  archive.Optional("mod", row.mod);
  archive.Optional("res", row.res);
  archive.Optional("out", row.out);
  archive.OptionalUnless(row.lookback.empty(), "lookback", SumsList{row.lookback});
  milliseconds("ms_embed", row.ms_embed);
  milliseconds("ms_blocks", row.ms_blocks);
  milliseconds("ms_head", row.ms_head);
  archive.Optional("expert", row.expert);
  archive.Optional("stream", row.stream);
  archive.Optional("segment", row.segment);
  archive.Check(row.segment >= 0, "must not be negative");
  archive.Optional("sample", row.sample);
  archive.Check(row.sample >= 0, "must not be negative");
  archive.Optional("evaluations", row.evaluations, 1);
  archive.Check(row.evaluations >= 1, "must be at least 1");
  archive.Optional("first", row.first);
}

// One line with its line feed. Throws UserError, starting with `where`, for what a reader refuses.
std::string RowLine(const TraceRow& row, const TraceHeader& header, const std::string& where);

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

RowKey KeyOf(const TraceRow& row);

// "prompt "a cat", seed 0, branch "cond", expert "", call 3", for messages.
std::string Describe(const TraceRow& row);

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
