#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "datasets/trace/trace_writer.h"
#include "runners/prompt_work.h"
#include "runners/systems/system.h"

namespace teacache {

struct RecordOptions : PromptWork {
  std::string model = "shapes";
  SystemOptions system;
  std::string out;   // trace file (.jsonl); a part is named as PartPath says
  int lookback = 0;  // also distances of the residual to k = 2 ... lookback calls before; 0 = none
};

struct RecordSummary : WorkSummary {
  std::string path;  // of the trace
};

// Full (uncached) runs of every prompt and seed into a trace. Runs that the trace holds already are
// kept; a trace of another setting is refused. A run that fails is listed and tried again by the
// next call. Throws UserError.
RecordSummary RecordDiffs(const RecordOptions& options);
RecordSummary RecordDiffs(const System& system, const RecordOptions& options);

// (prompt, seed) of the runs in a trace.
std::set<std::pair<std::string, int64_t>> RecordedRuns(const TraceWriter& writer);

}  // namespace teacache
