#include "datasets/trace/trace_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"
#include "datasets/trace/trace_format.h"

namespace teacache {
namespace {

// The runs in order of their first rows.
std::vector<TraceRun> RunsOf(const std::vector<TraceRow>& rows) {
  std::vector<TraceRun> runs;
  std::map<std::pair<std::string_view, int64_t>, size_t> index;
  for (const TraceRow& row : rows) {
    const auto [it, inserted] = index.try_emplace({row.prompt, row.seed}, runs.size());
    if (inserted) runs.push_back({row.prompt, row.seed, 0});
    ++runs[it->second].rows;
  }
  return runs;
}

// Whether the only run of a file ends with all rows of its last call: as many as the call before
// has (one per branch, stream and sample).
bool EndsWithAllRows(const std::vector<TraceRow>& rows, int calls) {
  const auto rows_of = [&](int call) { return std::ranges::count(rows, call, &TraceRow::call); };
  return rows.back().call == calls - 1 && (calls == 1 || rows_of(calls - 1) >= rows_of(calls - 2));
}

// How many leading rows belong to complete runs: the last run of a file may have been interrupted.
size_t CompleteRows(const TraceFile& file, const std::vector<TraceRun>& runs) {
  const std::vector<TraceRow>& rows = file.trace.rows;
  if (runs.empty()) return 0;
  const TraceRun& last = runs.back();
  const bool complete = runs.size() > 1 ? last.rows >= runs.front().rows
                                        : EndsWithAllRows(rows, file.trace.header.calls);
  if (complete) return rows.size();
  size_t keep = rows.size();
  while (keep > 0 && rows[keep - 1].prompt == last.prompt && rows[keep - 1].seed == last.seed) {
    --keep;
  }
  return keep;
}

void WriteAndFlush(int fd, std::string_view text, const std::string& path) {
  WriteAll(fd, path, text);
  if (::fsync(fd) != 0 && errno != EINVAL) {  // EINVAL: pipes and the like
    ThrowUserError(path, "must be writable but flushing failed: {}", std::strerror(errno));
  }
}

}  // namespace

TraceWriter::TraceWriter(const std::string& path, const TraceHeader& header)
    : path_(path), header_(header) {
  const std::string line = ToJson(header, path) + "\n";

  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) ThrowUserError(path, "must be writable but is not: {}", std::strerror(errno));
  try {
    LockFile(fd_, path);
    struct stat status = {};
    const bool exists = ::fstat(fd_, &status) == 0 && status.st_size > 0;
    const size_t keep = exists ? ReadWhatIsThere(line, status.st_size) : 0;
    if (exists && ::ftruncate(fd_, static_cast<off_t>(keep)) != 0) {
      ThrowUserError(path, "must be writable but cutting it failed: {}", std::strerror(errno));
    }
    if (keep == 0) WriteAndFlush(fd_, line, path_);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

size_t TraceWriter::ReadWhatIsThere(const std::string& header_line, int64_t size) {
  std::string first;
  std::getline(std::ifstream(path_, std::ios::binary), first);
  if (static_cast<size_t>(size) <= first.size()) {
    // A file that was cut within its header holds nothing.
    if (header_line.starts_with(first)) return 0;
    ThrowUserError(path_, "must be a trace or empty but is neither");
  }
  TraceFile file = ReadTraceFile(path_);
  const TraceHeader& header = file.trace.header;
  std::string difference = FirstDifference(header, header_);
  if (difference.empty() && header.prompts_digest != header_.prompts_digest) {
    difference = "prompts_digest (other prompts)";
  }
  if (difference.empty() && (header.shard != header_.shard || header.part != header_.part)) {
    difference = "shard or part";
  }
  if (!difference.empty()) {
    ThrowUserError(path_,
                   "must have been recorded with the same settings to be continued, but differs "
                   "in {}; --overwrite starts over",
                   difference);
  }
  const size_t rows = CompleteRows(file, RunsOf(file.trace.rows));
  file.trace.rows.resize(rows);
  runs_ = RunsOf(file.trace.rows);
  return rows > 0 ? file.row_ends[rows - 1] : file.header_end;
}

TraceWriter::~TraceWriter() {
  if (fd_ >= 0) ::close(fd_);
}

TraceWriter::TraceWriter(TraceWriter&& other) noexcept
    : path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      runs_(std::move(other.runs_)),
      fd_(std::exchange(other.fd_, -1)) {}

TraceWriter& TraceWriter::operator=(TraceWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(header_, other.header_);
  std::swap(runs_, other.runs_);
  std::swap(fd_, other.fd_);
  return *this;
}

void TraceWriter::Append(const std::vector<TraceRow>& rows) {
  if (rows.empty()) return;
  std::string text;
  std::set<RowKey> keys;
  for (const TraceRow& row : rows) {
    if (row.prompt != rows[0].prompt || row.seed != rows[0].seed) {
      ThrowUserError(path_, "rows must be appended a run at a time but are of two runs");
    }
    if (!keys.insert(KeyOf(row)).second) {
      ThrowUserError(path_, "rows must be different but {} appears twice", Describe(row));
    }
    text += RowLine(row, header_, path_ + ": new row");
  }
  for (const TraceRun& run : runs_) {
    if (run.prompt == rows[0].prompt && run.seed == rows[0].seed) {
      ThrowUserError(path_, "runs must be different but has {} already", Describe(rows[0]));
    }
  }
  WriteAndFlush(fd_, text, path_);
  runs_.push_back({rows[0].prompt, rows[0].seed, rows.size()});
}

}  // namespace teacache
