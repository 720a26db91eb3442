#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// Calls of a run that are skipped one after the other, `start` ... `start + skipped - 1`, and what
// a forecast for them is made of.
struct Segment {
  int start = 1;    // first skipped call, 0-based; call 0 is always computed
  int skipped = 1;  // how many calls
  // The computed calls that the forecast is made of, besides call start - 1, which is the last one
  // before the segment: from each, newest first, back to the computed call before it. As many as
  // the order of the forecast (0 = the last residual, 1 = linear, ...). Each is at least 1, their
  // sum at most start - 1.
  std::vector<int> gaps;

  int order() const { return static_cast<int>(gaps.size()); }
  auto operator<=>(const Segment&) const = default;
};

// What it costs to skip a segment of one run.
struct SegmentCost {
  std::string prompt;  // the text
  int64_t seed = 0;
  Segment segment;
  double error = 0;  // >= 0; of what SegmentCosts::measure says
};

// A file of segment costs (.jsonl, see datasets/FORMATS.md): a header, then a row per segment.
struct SegmentCosts {
  static constexpr int kVersion = 1;
  // The largest order of a forecast.
  static constexpr int kMaxOrder = 2;
  TraceHeader recipe;   // how the runs were made
  std::string measure;  // what `error` is of: "residual" or "latent"
  std::vector<SegmentCost> rows;
  std::vector<std::string> warnings;  // e.g. a cut last line that was left out
};

// Throws UserError naming file, line and column for anything but a cut last line, which is a
// warning: unknown fields, segments that are not inside the run, the same segment of a run twice.
SegmentCosts ReadSegmentCosts(const std::string& path);

// Throws UserError for what ReadSegmentCosts refuses. Writes a temporary file and renames it.
void WriteSegmentCosts(const std::string& path, const SegmentCosts& costs);

// The costs of several files, made with the same settings (tool version, prompts and part aside).
// Throws UserError naming two files and the field that differs, and for a segment of a run that
// is in two files.
SegmentCosts MergeSegmentCosts(const std::vector<std::string>& paths);

// Appends rows to a file of segment costs. An existing file must have the same header (tool version
// aside); a cut last line is removed.
class SegmentCostsWriter {
 public:
  // Throws UserError for an existing file that is damaged, has another header or is held by
  // another writer: only one process may append at a time.
  SegmentCostsWriter(const std::string& path, TraceHeader recipe, const std::string& measure);
  ~SegmentCostsWriter();
  SegmentCostsWriter(const SegmentCostsWriter&) = delete;
  SegmentCostsWriter& operator=(const SegmentCostsWriter&) = delete;

  // Whether the file has this segment of a run.
  bool Has(const std::string& prompt, int64_t seed, const Segment& segment) const;
  // On disk before it returns. Rows that the file has are left out. Refuses, with nothing written,
  // what ReadSegmentCosts would refuse.
  void Append(const std::vector<SegmentCost>& rows);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace teacache
