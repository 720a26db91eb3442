#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// A run as it appears in a trace: all rows of one prompt and seed.
struct TraceRun {
  std::string prompt;
  int64_t seed = 0;
  size_t rows = 0;

  bool operator==(const TraceRun&) const = default;
};

// Appends rows to a trace file, a run at a time. An existing file must have the same header (tool
// version aside). A run that was interrupted while it was written (a cut last line, or fewer rows
// than the file's first run; for the first run: not all calls) is removed when the file is opened.
class TraceWriter {
 public:
  // Throws UserError for an existing file that is damaged, has another header or is held by
  // another writer: only one process may append at a time.
  TraceWriter(const std::string& path, const TraceHeader& header);
  ~TraceWriter();
  TraceWriter(TraceWriter&&) noexcept;
  TraceWriter& operator=(TraceWriter&&) noexcept;

  // All rows of one run (prompt x seed), flushed to disk before it returns. Refuses, with nothing
  // written, rows that ReadTrace would refuse, rows of two runs, and a run that the file has.
  void Append(const std::vector<TraceRow>& rows);

  // The runs in the file, for resuming: those it had when opened and those appended since.
  const std::vector<TraceRun>& runs() const { return runs_; }

 private:
  // Fills runs_; returns how many of the `size` bytes stay.
  size_t ReadWhatIsThere(const std::string& header_line, int64_t size);

  std::string path_;
  TraceHeader header_;
  std::vector<TraceRun> runs_;
  int fd_ = -1;
};

}  // namespace teacache
