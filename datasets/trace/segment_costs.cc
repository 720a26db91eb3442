#include "datasets/trace/segment_costs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/file_lock.h"
#include "datasets/base/files.h"
#include "datasets/trace/trace_format.h"

namespace teacache {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 34;

template <typename Archive>
void VisitHeader(Archive& archive, SegmentCosts& costs) {
  archive.Format("teacache-costs", SegmentCosts::kVersion);
  archive.Required("measure", costs.measure);
  archive.Check(costs.measure == "residual" || costs.measure == "latent",
                "must be \"residual\" or \"latent\"");
  VisitRecipe(archive, costs.recipe);
}

// Of a run with `calls` calls.
template <typename Archive>
void VisitSegment(Archive& archive, Segment& segment, int calls) {
  archive.Required("start", segment.start);
  archive.CheckBetween(segment.start, 1, calls - 1);
  archive.Required("skipped", segment.skipped);
  archive.CheckBetween(segment.skipped, 1, calls - segment.start);
  archive.Optional("gaps", segment.gaps);
  archive.Check(segment.order() <= SegmentCosts::kMaxOrder, "must be at most 2 numbers");
  int64_t back = 0;
  for (const int gap : segment.gaps) {
    archive.Check(gap >= 1, "must be numbers of at least 1");
    back += gap;
  }
  archive.Check(back < segment.start, "must not lead back beyond call 0");
}

template <typename Archive>
void VisitRow(Archive& archive, SegmentCost& row, int calls) {
  archive.Required("prompt", row.prompt);
  archive.Required("seed", row.seed);
  VisitSegment(archive, row.segment, calls);
  archive.Required("error", row.error);
  archive.Check(row.error >= 0, "must not be negative");
}

// What tells rows apart.
using RunSegments = std::map<std::pair<std::string, int64_t>, std::set<Segment>>;

bool Insert(const SegmentCost& row, RunSegments* seen) {
  return (*seen)[{row.prompt, row.seed}].insert(row.segment).second;
}

std::string Describe(const SegmentCost& row) {
  return fmt::format("start {}, skipped {}, gaps [{}] of seed {} of \"{}\"",
                     row.segment.start,
                     row.segment.skipped,
                     fmt::join(row.segment.gaps, ", "),
                     row.seed,
                     row.prompt);
}

RunSegments CheckDistinct(const std::string& path, const std::vector<SegmentCost>& rows) {
  RunSegments seen;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (Insert(rows[i], &seen)) continue;
    ThrowUserError(fmt::format("{}:{}", path, i + 2),  // line 1 is the header
                   "segments must be different but {} appears twice",
                   Describe(rows[i]));
  }
  return seen;
}

template <typename Fields>
std::string Line(const std::string& path, const Fields& fields) {
  JsonText text(path, -1, BadUtf8::kRefuse);
  text.Begin('{');
  JsonWriter writer(&text);
  fields(writer);
  text.End('}');
  return text.text() + "\n";
}

std::string HeaderLine(const std::string& path, const SegmentCosts& costs) {
  SegmentCosts header = {costs.recipe, costs.measure, {}, {}};
  return Line(path, [&](JsonWriter& writer) { VisitHeader(writer, header); });
}

std::string RowLine(const std::string& path, SegmentCost row, int calls) {
  return Line(path, [&](JsonWriter& writer) { VisitRow(writer, row, calls); });
}

struct CostsFile {
  SegmentCosts costs;
  RunSegments seen;
  size_t end = 0;  // of the last whole line
};

CostsFile ReadCostsFile(const std::string& path) {
  const std::string text = ReadFile(path, kMaxBytes);
  JsonLines lines(text, path);
  CostsFile file;
  SegmentCosts& costs = file.costs;
  if (!lines.Next()) {
    ThrowUserError(path,
                   "must begin with the header of segment costs but {}",
                   text.empty() ? "is empty" : "its first line is cut off");
  }
  {
    JsonReader reader(lines.value());
    VisitHeader(reader, costs);
    reader.Finish();
  }
  while (lines.Next()) {
    JsonReader reader(lines.value());
    VisitRow(reader, costs.rows.emplace_back(), costs.recipe.calls);
    reader.Finish();
  }
  if (lines.IsCut()) {
    costs.warnings.push_back(
        fmt::format("{}:{}: the last line is cut off and was left out", path, lines.line() + 1));
  }
  file.end = lines.end();
  file.seen = CheckDistinct(path, costs.rows);
  return file;
}

std::string CostsDifference(const SegmentCosts& a, const SegmentCosts& b) {
  if (a.measure != b.measure) {
    return fmt::format("measure (\"{}\" and \"{}\")", a.measure, b.measure);
  }
  return FirstDifference(a.recipe, b.recipe);
}

void WriteAndFlush(int fd, std::string_view text, const std::string& path) {
  WriteAll(fd, path, text);
  if (::fsync(fd) != 0 && errno != EINVAL) {  // EINVAL: pipes and the like
    ThrowUserError(path, "must be writable but flushing failed: {}", std::strerror(errno));
  }
}

}  // namespace

SegmentCosts ReadSegmentCosts(const std::string& path) {
  return std::move(ReadCostsFile(path).costs);
}

void WriteSegmentCosts(const std::string& path, const SegmentCosts& costs) {
  std::string text = HeaderLine(path, costs);
  for (const SegmentCost& row : costs.rows) text += RowLine(path, row, costs.recipe.calls);
  CheckDistinct(path, costs.rows);
  AtomicWriteFile(path, text);
}

SegmentCosts MergeSegmentCosts(const std::vector<std::string>& paths) {
  SegmentCosts merged;
  RunSegments seen;
  for (size_t i = 0; i < paths.size(); ++i) {
    SegmentCosts costs = ReadSegmentCosts(paths[i]);
    if (i == 0) {
      merged.recipe = costs.recipe;
      merged.measure = costs.measure;
    }
    const std::string difference = CostsDifference(merged, costs);
    if (!difference.empty()) {
      ThrowUserError(paths[i],
                     "must be made with the same settings as {} but differs in {}",
                     paths.front(),
                     difference);
    }
    for (SegmentCost& row : costs.rows) {
      if (!Insert(row, &seen)) {
        ThrowUserError(paths[i], "{} is in another file too", Describe(row));
      }
      merged.rows.push_back(std::move(row));
    }
    merged.warnings.insert(merged.warnings.end(), costs.warnings.begin(), costs.warnings.end());
  }
  return merged;
}

struct SegmentCostsWriter::State {
  std::string path;
  SegmentCosts header;
  RunSegments seen;
  int fd = -1;

  ~State() {
    if (fd >= 0) ::close(fd);
  }
};

SegmentCostsWriter::SegmentCostsWriter(const std::string& path,
                                       TraceHeader recipe,
                                       const std::string& measure)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.path = path;
  state.header.recipe = std::move(recipe);
  state.header.measure = measure;
  const std::string line = HeaderLine(path, state.header);
  state.fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (state.fd < 0) ThrowUserError(path, "must be writable but is not: {}", std::strerror(errno));
  LockFile(state.fd, path);
  struct stat status = {};
  const bool exists = ::fstat(state.fd, &status) == 0 && status.st_size > 0;
  size_t keep = 0;
  // A file that was cut within its header holds nothing.
  if (exists && !line.starts_with(ReadFile(path, kMaxBytes))) {
    CostsFile file = ReadCostsFile(path);
    std::string difference = CostsDifference(file.costs, state.header);
    if (difference.empty() &&
        file.costs.recipe.prompts_digest != state.header.recipe.prompts_digest) {
      difference = "prompts_digest (other prompts)";
    }
    if (difference.empty() && file.costs.recipe.part != state.header.recipe.part) {
      difference = "part";
    }
    if (!difference.empty()) {
      ThrowUserError(path,
                     "must have been recorded with the same settings to be continued, but differs "
                     "in {}; --overwrite starts over",
                     difference);
    }
    state.seen = std::move(file.seen);
    keep = file.end;
  }
  if (exists && ::ftruncate(state.fd, static_cast<off_t>(keep)) != 0) {
    ThrowUserError(path, "must be writable but cutting it failed: {}", std::strerror(errno));
  }
  if (keep == 0) WriteAndFlush(state.fd, line, path);
}

SegmentCostsWriter::~SegmentCostsWriter() = default;

bool SegmentCostsWriter::Has(const std::string& prompt,
                             int64_t seed,
                             const Segment& segment) const {
  const auto run = state_->seen.find({prompt, seed});
  return run != state_->seen.end() && run->second.contains(segment);
}

void SegmentCostsWriter::Append(const std::vector<SegmentCost>& rows) {
  std::string text;
  for (const SegmentCost& row : rows) {
    if (Has(row.prompt, row.seed, row.segment)) continue;
    text += RowLine(state_->path, row, state_->header.recipe.calls);
  }
  if (text.empty()) return;
  WriteAndFlush(state_->fd, text, state_->path);
  for (const SegmentCost& row : rows) Insert(row, &state_->seen);
}

}  // namespace teacache
