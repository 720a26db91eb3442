#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// What it costs to skip a segment of calls of one run, `start` ... `start + skipped - 1`, when what
// is put in for them is a forecast of order `order` (0 = the last residual, 1 = linear, ...).
struct SegmentCost {
  std::string prompt;  // the text
  int64_t seed = 0;
  int start = 1;    // first skipped call, 0-based; call 0 is always computed
  int skipped = 1;  // how many calls
  int order = 0;
  // Calls from the computed call before the segment back to the computed call before that one;
  // forecasts of order 1 and more depend on it.
  int gap = 1;
  double error = 0;  // >= 0; of what SegmentCosts::measure says
};

// A file of segment costs (.jsonl, see datasets/FORMATS.md): a header, then a row per segment.
struct SegmentCosts {
  static constexpr int kVersion = 1;
  TraceHeader recipe;   // how the runs were made
  std::string measure;  // what `error` is of: "residual" or "latent"
  std::vector<SegmentCost> rows;
  std::vector<std::string> warnings;  // e.g. a cut last line that was left out
};

// Throws UserError naming file, line and column for anything but a cut last line, which is a
// warning: unknown fields, segments that are not inside the run, the same segment twice.
SegmentCosts ReadSegmentCosts(const std::string& path);

// Throws UserError for what ReadSegmentCosts refuses. Writes a temporary file and renames it.
void WriteSegmentCosts(const std::string& path, const SegmentCosts& costs);

}  // namespace teacache
