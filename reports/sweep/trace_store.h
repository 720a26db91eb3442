#pragma once

#include <optional>
#include <string>
#include <vector>

#include "datasets/trace/trace.h"
#include "datasets/trace/trace_writer.h"
#include "runners/systems/system.h"

namespace teacache {

// Recorded uncached runs of one system in one file that only grows: runs of other prompts and seeds
// stay, so that a sweep with other prompts records only what is missing.
class TraceStore {
 public:
  // The file is `folder`/trace-DIGEST.jsonl, the digest being of the system's PixelKey.
  TraceStore(const System& system, const std::string& folder, int threads);

  bool Has(const std::string& prompt, int64_t seed) const;
  // Records the run unless it is there.
  void Record(const std::string& prompt, int64_t seed);
  // The rows of the runs, in this order, with a header of these prompts. All must be there.
  Trace Select(const std::vector<std::string>& prompts, const std::vector<int64_t>& seeds) const;

 private:
  const System& system_;
  std::string path_;
  std::optional<TraceWriter> writer_;
};

// Writes a trace through a temporary file and a rename; an older one is replaced.
void WriteTrace(const std::string& path, const Trace& trace);

}  // namespace teacache
