#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/progress.h"
#include "datasets/base/shard.h"
#include "datasets/trace/trace.h"
#include "runners/failed_item.h"
#include "runners/systems/system.h"

namespace teacache {

struct RecordOptions {
  std::string model = "shapes";
  SystemOptions system;
  std::vector<std::string> prompts;
  std::vector<int64_t> seeds = {0};
  std::string out;   // trace file (.jsonl); with a shard ".i-of-n" goes before the extension
  int lookback = 0;  // also distances of the residual to k = 2 ... lookback calls before; 0 = none
  int jobs = 1;
  int threads = 1;
  Shard shard;
  ProgressSink* progress = nullptr;
};

struct RecordSummary {
  std::string path;  // of the trace
  int recorded = 0;  // runs
  int resumed = 0;   // were in the trace already
  int total = 0;     // of this shard
  bool interrupted = false;
  std::vector<FailedItem> failed;
};

// The trace of a shard: "t.jsonl" is "t.2-of-8.jsonl" for part 2 of 8, and itself without parts.
std::string TracePath(const std::string& out, const Shard& shard);

// Full (uncached) runs of every prompt and seed into a trace. Runs that the trace holds already are
// kept; a trace of another setting is refused. A run that fails is listed and tried again by the
// next call. Throws UserError.
RecordSummary RecordDiffs(const RecordOptions& options);
RecordSummary RecordDiffs(const System& system, const RecordOptions& options);

// (prompt, seed) of the runs in a trace.
std::set<std::pair<std::string, int64_t>> RecordedRuns(const TraceWriter& writer);

}  // namespace teacache
