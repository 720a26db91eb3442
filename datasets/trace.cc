#include "datasets/trace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/json_fields.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "teacache-trace";

// Where a row came from, for messages: (prompt, seed, branch, expert, call).
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

RowKey KeyOf(const TraceRow& row) {
  return {row.prompt, row.seed, row.branch, row.expert, row.call};
}

std::string Describe(const TraceRow& row) {
  std::string prompt = row.prompt.substr(0, 40);
  if (row.prompt.size() > 40) prompt += "...";
  return fmt::format("prompt \"{}\", seed {}, branch \"{}\", expert \"{}\", call {}",
                     prompt,
                     row.seed,
                     row.branch,
                     row.expert,
                     row.call);
}

json HeaderJson(const TraceHeader& header) {
  json j = {{"format", kFormat},
            {"version", TraceHeader::kVersion},
            {"model", header.model},
            {"steps", header.steps},
            {"calls", header.calls},
            {"scheduler", header.scheduler},
            {"guidance", header.guidance},
            {"width", header.width},
            {"height", header.height},
            {"frames", header.frames},
            {"dtype", header.dtype},
            {"modulated", header.modulated},
            {"prompts_digest", header.prompts_digest},
            {"tool_version", header.tool_version}};
  if (header.shards != 1) {
    j["shard"] = header.shard;
    j["shards"] = header.shards;
  }
  if (header.parts != 1) {
    j["part"] = header.part;
    j["parts"] = header.parts;
  }
  return j;
}

json SumsJson(const L1Sums& sums) {
  return {{"diff_l1", sums.diff_l1}, {"prev_l1", sums.prev_l1}, {"n", sums.n}};
}

json RowJson(const TraceRow& row) {
  json j = {{"prompt", row.prompt},
            {"seed", row.seed},
            {"branch", row.branch},
            {"call", row.call},
            {"step", row.step},
            {"timestep", row.timestep}};
  if (!row.expert.empty()) j["expert"] = row.expert;
  if (row.mod.measured()) j["mod"] = SumsJson(row.mod);
  if (row.res.measured()) j["res"] = SumsJson(row.res);
  if (row.out.measured()) j["out"] = SumsJson(row.out);
  if (!row.lookback.empty()) {
    json& list = j["lookback"] = json::array();
    for (const L1Sums& sums : row.lookback) {
      list.push_back(sums.measured() ? SumsJson(sums) : json(nullptr));
    }
  }
  if (row.ms_embed >= 0) j["ms_embed"] = row.ms_embed;
  if (row.ms_blocks >= 0) j["ms_blocks"] = row.ms_blocks;
  if (row.ms_head >= 0) j["ms_head"] = row.ms_head;
  return j;
}

std::string Dump(const json& j, std::string_view where) {
  try {
    return j.dump() + "\n";
  } catch (const json::exception&) {
    ThrowUserError(where, "text must be UTF-8 but is not");
  }
}

int ToInt(const JsonFields& fields, std::string_view name, int64_t value, int64_t lo, int64_t hi) {
  if (value < lo || value > hi) {
    ThrowUserError(
        fields.where(), "\"{}\" must be between {} and {} but is {}", name, lo, hi, value);
  }
  return static_cast<int>(value);
}

constexpr int64_t kMaxCalls = 1'000'000;
constexpr uint64_t kMaxBytes = uint64_t{1} << 36;

TraceHeader HeaderFromJson(const json& j, const std::string& where) {
  const JsonFields fields(j, where);
  if (!fields.Has("format")) {
    ThrowUserError(where, "must be the header of a trace (\"format\": \"{}\") but is not", kFormat);
  }
  if (const std::string format = fields.String("format"); format != kFormat) {
    ThrowUserError(where, "\"format\" must be \"{}\" but is \"{}\"", kFormat, format);
  }
  if (const int64_t version = fields.Integer("version"); version != TraceHeader::kVersion) {
    ThrowUserError(where,
                   "trace version must be {} but is {} (made by another version of the toolkit)",
                   TraceHeader::kVersion,
                   version);
  }
  const auto integer = [&](std::string_view name, int64_t lo, int64_t hi) {
    return ToInt(fields, name, fields.Integer(name, lo), lo, hi);
  };
  TraceHeader header;
  header.model = fields.String("model");
  header.steps = ToInt(fields, "steps", fields.Integer("steps"), 1, kMaxCalls);
  header.calls = ToInt(fields, "calls", fields.Integer("calls"), 1, kMaxCalls);
  header.scheduler = fields.String("scheduler", "");
  header.guidance = fields.Number("guidance", 0);
  header.width = integer("width", 0, INT32_MAX);
  header.height = integer("height", 0, INT32_MAX);
  header.frames = integer("frames", 0, INT32_MAX);
  header.dtype = fields.String("dtype", "");
  header.modulated = fields.String("modulated", "");
  header.prompts_digest = fields.String("prompts_digest", "");
  header.tool_version = fields.String("tool_version", "");
  header.shards = ToInt(fields, "shards", fields.Integer("shards", 1), 1, kMaxCalls);
  header.shard = integer("shard", 0, header.shards - 1);
  header.parts = ToInt(fields, "parts", fields.Integer("parts", 1), 1, kMaxCalls);
  header.part = integer("part", 0, header.parts - 1);
  return header;
}

L1Sums SumsFromJson(const json& j, const std::string& where, std::string_view name) {
  const JsonFields fields(j, fmt::format("{}: \"{}\"", where, name));
  const L1Sums sums{fields.Number("diff_l1"), fields.Number("prev_l1"), fields.Integer("n")};
  if (sums.n < 0 || sums.diff_l1 < 0 || sums.prev_l1 < 0) {
    ThrowUserError(fields.where(),
                   "sums and count must not be negative but diff_l1 is {}, prev_l1 is {}, n is {}",
                   sums.diff_l1,
                   sums.prev_l1,
                   sums.n);
  }
  if (sums.n == 0 && (sums.diff_l1 != 0 || sums.prev_l1 != 0)) {
    ThrowUserError(fields.where(), "n must be positive where the sums are not zero but is 0");
  }
  return sums;
}

double MillisecondsFromJson(const JsonFields& fields, std::string_view name) {
  const double ms = fields.Number(name, -1);
  if (fields.Has(name) && ms < 0) {
    ThrowUserError(fields.where(), "\"{}\" must be milliseconds >= 0 but is {}", name, ms);
  }
  return ms;
}

TraceRow RowFromJson(const json& j, const TraceHeader& header, const std::string& where) {
  const JsonFields fields(j, where);
  TraceRow row;
  row.prompt = fields.String("prompt");
  row.seed = fields.Integer("seed");
  row.branch = fields.String("branch", "batched");
  row.expert = fields.String("expert", "");
  row.call = ToInt(fields, "call", fields.Integer("call"), 0, header.calls - 1);
  row.step =
      ToInt(fields, "step", fields.Integer("step"), 0, std::max(header.steps, header.calls) - 1);
  row.timestep = fields.Number("timestep", 0);
  const auto sums = [&](std::string_view name) {
    return fields.Has(name) ? SumsFromJson(fields.At(name), where, name) : L1Sums{};
  };
  row.mod = sums("mod");
  row.res = sums("res");
  row.out = sums("out");
  if (fields.Has("lookback")) {
    const json& list = fields.At("lookback");
    if (!list.is_array()) ThrowUserError(where, "\"lookback\" must be a list but is not");
    for (const json& item : list) {
      row.lookback.push_back(item.is_null() ? L1Sums{} : SumsFromJson(item, where, "lookback"));
    }
  }
  row.ms_embed = MillisecondsFromJson(fields, "ms_embed");
  row.ms_blocks = MillisecondsFromJson(fields, "ms_blocks");
  row.ms_head = MillisecondsFromJson(fields, "ms_head");
  return row;
}

// Reads the plain rows that programs write (no escapes, no list) several times faster than a
// general JSON parser. Whatever is not plain or not right makes it give up: then the general parser
// reads the line again and tells what is wrong.
class PlainRowReader {
 public:
  PlainRowReader(std::string_view line, const TraceHeader& header) : rest_(line), header_(header) {}

  bool Read(TraceRow* row) {
    unsigned seen = 0;
    const bool read = ReadObject([&](std::string_view name) {
      if (name == "prompt") return Mark(&seen, 1) && ReadText(&row->prompt);
      if (name == "seed") return Mark(&seen, 2) && ReadNumber(&row->seed);
      if (name == "branch") return Mark(&seen, 4) && ReadText(&row->branch);
      if (name == "expert") return Mark(&seen, 8) && ReadText(&row->expert);
      if (name == "call") return Mark(&seen, 16) && ReadNumber(&row->call);
      if (name == "step") return Mark(&seen, 32) && ReadNumber(&row->step);
      if (name == "timestep") return ReadNumber(&row->timestep);
      if (name == "mod") return ReadSums(&row->mod);
      if (name == "res") return ReadSums(&row->res);
      if (name == "out") return ReadSums(&row->out);
      if (name == "ms_embed") return ReadMilliseconds(&row->ms_embed);
      if (name == "ms_blocks") return ReadMilliseconds(&row->ms_blocks);
      if (name == "ms_head") return ReadMilliseconds(&row->ms_head);
      return false;
    });
    constexpr unsigned kRequired = 1 | 2 | 16 | 32;
    if (!read || !rest_.empty() || (seen & kRequired) != kRequired) return false;
    if ((seen & 4) == 0) row->branch = "batched";
    return row->call >= 0 && row->call < header_.calls && row->step >= 0 &&
           row->step < std::max(header_.steps, header_.calls);
  }

 private:
  static bool Mark(unsigned* seen, unsigned bit) {
    *seen |= bit;
    return true;
  }

  void SkipSpace() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  bool Take(char c) {
    SkipSpace();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Text without escapes, control characters and bytes outside ASCII.
  bool ReadView(std::string_view* text) {
    if (!Take('"')) return false;
    size_t end = 0;
    while (end < rest_.size() && rest_[end] != '"') {
      const unsigned char c = static_cast<unsigned char>(rest_[end]);
      if (c < 0x20 || c >= 0x80 || c == '\\') return false;
      ++end;
    }
    if (end == rest_.size()) return false;
    *text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool ReadText(std::string* text) {
    std::string_view view;
    if (!ReadView(&view)) return false;
    text->assign(view);
    return true;
  }

  template <typename Number>
  bool ReadNumber(Number* number) {
    SkipSpace();
    const char* begin = rest_.data();
    const char* limit = begin + rest_.size();
    const char* digits = begin != limit && *begin == '-' ? begin + 1 : begin;
    // What from_chars takes and JSON does not: "inf", "01", "1.".
    if (digits == limit || *digits < '0' || *digits > '9') return false;
    if (*digits == '0' && digits + 1 != limit && digits[1] >= '0' && digits[1] <= '9') return false;
    const auto [end, error] = std::from_chars(begin, limit, *number);
    if (error != std::errc() || end[-1] == '.') return false;
    if (std::memchr(begin, '.', end - begin) != nullptr && !PointIsFollowedByDigit(begin, end)) {
      return false;
    }
    rest_.remove_prefix(static_cast<size_t>(end - begin));
    SkipSpace();
    // Behind an integer ".5" or "e3" may follow: then it is not one.
    return !rest_.empty() && (rest_[0] == ',' || rest_[0] == '}');
  }

  static bool PointIsFollowedByDigit(const char* begin, const char* end) {
    const char* point = static_cast<const char*>(std::memchr(begin, '.', end - begin));
    return point + 1 != end && point[1] >= '0' && point[1] <= '9';
  }

  bool ReadMilliseconds(double* ms) { return ReadNumber(ms) && *ms >= 0; }

  bool ReadSums(L1Sums* sums) {
    int seen = 0;
    const bool read = ReadObject([&](std::string_view name) {
      if (name == "diff_l1") return ++seen, ReadNumber(&sums->diff_l1);
      if (name == "prev_l1") return ++seen, ReadNumber(&sums->prev_l1);
      if (name == "n") return ++seen, ReadNumber(&sums->n);
      return false;
    });
    return read && seen == 3 && sums->diff_l1 >= 0 && sums->prev_l1 >= 0 && sums->n > 0;
  }

  template <typename Field>
  bool ReadObject(const Field& field) {
    if (!Take('{')) return false;
    do {
      std::string_view name;
      if (!ReadView(&name) || !Take(':') || !field(name)) return false;
    } while (Take(','));
    if (!Take('}')) return false;
    SkipSpace();
    return true;
  }

  std::string_view rest_;
  const TraceHeader& header_;
};

// The name of the first field that differs, "" if none; tool_version, shard and part do not count.
std::string FirstDifference(const TraceHeader& a, const TraceHeader& b) {
  if (a.model != b.model) return fmt::format("model (\"{}\" and \"{}\")", a.model, b.model);
  if (a.steps != b.steps) return fmt::format("steps ({} and {})", a.steps, b.steps);
  if (a.calls != b.calls) return fmt::format("calls ({} and {})", a.calls, b.calls);
  if (a.scheduler != b.scheduler) {
    return fmt::format("scheduler (\"{}\" and \"{}\")", a.scheduler, b.scheduler);
  }
  if (a.guidance != b.guidance) return fmt::format("guidance ({} and {})", a.guidance, b.guidance);
  if (a.width != b.width) return fmt::format("width ({} and {})", a.width, b.width);
  if (a.height != b.height) return fmt::format("height ({} and {})", a.height, b.height);
  if (a.frames != b.frames) return fmt::format("frames ({} and {})", a.frames, b.frames);
  if (a.dtype != b.dtype) return fmt::format("dtype (\"{}\" and \"{}\")", a.dtype, b.dtype);
  if (a.modulated != b.modulated) {
    return fmt::format("modulated (\"{}\" and \"{}\")", a.modulated, b.modulated);
  }
  if (a.shards != b.shards) return fmt::format("shards ({} and {})", a.shards, b.shards);
  if (a.parts != b.parts) return fmt::format("parts ({} and {})", a.parts, b.parts);
  return "";
}

// A trace file split into its complete lines.
struct TraceFile {
  Trace trace;
  std::vector<size_t> row_ends;  // offset of the byte behind each row's line
  size_t header_end = 0;
};

void CheckRows(const std::string& path, TraceFile* file) {
  Trace& trace = file->trace;
  std::unordered_map<RowKey, size_t, RowKeyHash> lines;
  lines.reserve(trace.rows.size());
  // The last call of a run and branch, kept under the key of call 0 of expert "".
  std::unordered_map<RowKey, int, RowKeyHash> last_call;
  bool warned_order = false;
  for (size_t i = 0; i < trace.rows.size(); ++i) {
    const TraceRow& row = trace.rows[i];
    const size_t line = i + 2;  // line 1 is the header
    const auto [it, inserted] = lines.emplace(KeyOf(row), line);
    if (!inserted) {
      ThrowUserError(fmt::format("{}:{}", path, line),
                     "rows must be different but {} is also on line {}",
                     Describe(row),
                     it->second);
    }
    const auto [last, first] =
        last_call.try_emplace({row.prompt, row.seed, row.branch, "", 0}, row.call);
    if (!first && row.call < last->second && !warned_order) {
      warned_order = true;
      trace.warnings.push_back(
          fmt::format("{}:{}: calls of a run should ascend but call {} follows call {}; sorted "
                      "where it matters",
                      path,
                      line,
                      row.call,
                      last->second));
    }
    last->second = std::max(last->second, row.call);
  }
}

TraceFile ReadTraceFile(const std::string& path) {
  const std::string text = ReadFile(path, kMaxBytes);
  TraceFile file;
  std::set<std::string> unknown;
  size_t begin = 0;
  int line = 0;
  while (begin < text.size()) {
    ++line;
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) {
      const std::string where = fmt::format("{}:{}", path, line);
      if (line == 1) {
        ThrowUserError(where, "must be the header of a trace but the line is cut off");
      }
      file.trace.warnings.push_back(
          fmt::format("{}: the last line is cut off and was left out", where));
      break;
    }
    const std::string_view bytes = std::string_view(text).substr(begin, end - begin);
    if (line > 1) {
      TraceRow row;
      if (PlainRowReader(bytes, file.trace.header).Read(&row)) {
        begin = end + 1;
        file.trace.rows.push_back(std::move(row));
        file.row_ends.push_back(begin);
        continue;
      }
    }
    const std::string where = fmt::format("{}:{}", path, line);
    const json j = ParseJson(bytes, where);
    const auto note_unknown = [&](std::initializer_list<std::string_view> known) {
      for (const std::string& name : JsonFields(j, where).Unknown(known)) {
        if (unknown.insert(name).second) {
          file.trace.warnings.push_back(
              fmt::format("{}: unknown field \"{}\" was left out", where, name));
        }
      }
    };
    begin = end + 1;
    if (line == 1) {
      file.trace.header = HeaderFromJson(j, where);
      file.header_end = begin;
      note_unknown({"format",
                    "version",
                    "model",
                    "steps",
                    "calls",
                    "scheduler",
                    "width",
                    "height",
                    "guidance",
                    "frames",
                    "dtype",
                    "modulated",
                    "shard",
                    "shards",
                    "prompts_digest",
                    "tool_version",
                    "part",
                    "parts"});
    } else {
      file.trace.rows.push_back(RowFromJson(j, file.trace.header, where));
      file.row_ends.push_back(begin);
      note_unknown({"prompt",
                    "seed",
                    "branch",
                    "expert",
                    "call",
                    "step",
                    "timestep",
                    "mod",
                    "res",
                    "out",
                    "lookback",
                    "ms_embed",
                    "ms_blocks",
                    "ms_head"});
    }
  }
  if (line == 0) ThrowUserError(path, "must begin with the header of a trace but is empty");
  CheckRows(path, &file);
  return file;
}

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

// How many leading rows belong to complete runs: the last run of a file may have been interrupted.
size_t CompleteRows(const TraceFile& file, const std::vector<TraceRun>& runs) {
  const std::vector<TraceRow>& rows = file.trace.rows;
  if (runs.empty()) return 0;
  const TraceRun& last = runs.back();
  const bool complete = runs.size() > 1 ? last.rows >= runs.front().rows
                                        : rows.back().call == file.trace.header.calls - 1;
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

void MergeInto(TraceRow* into, const TraceRow& row, const std::string& where) {
  if (into->lookback.size() != row.lookback.size() || into->step != row.step ||
      into->mod.measured() != row.mod.measured() || into->res.measured() != row.res.measured() ||
      into->out.measured() != row.out.measured()) {
    ThrowUserError(where, "shards must have measured the same but differ at {}", Describe(row));
  }
  into->mod += row.mod;
  into->res += row.res;
  into->out += row.out;
  for (size_t k = 0; k < row.lookback.size(); ++k) into->lookback[k] += row.lookback[k];
  // The slowest shard is waited for.
  into->ms_embed = std::max(into->ms_embed, row.ms_embed);
  into->ms_blocks = std::max(into->ms_blocks, row.ms_blocks);
  into->ms_head = std::max(into->ms_head, row.ms_head);
}

}  // namespace

L1Sums& L1Sums::operator+=(const L1Sums& other) {
  diff_l1 += other.diff_l1;
  prev_l1 += other.prev_l1;
  n += other.n;
  return *this;
}

TraceWriter::TraceWriter(const std::string& path, const TraceHeader& header)
    : path_(path), header_(header) {
  const std::string line = Dump(HeaderJson(header), path);
  HeaderFromJson(ParseJson(line, path), path);  // what a reader would refuse is refused here

  struct stat status = {};
  const bool exists = ::stat(path.c_str(), &status) == 0 && status.st_size > 0;
  off_t keep = 0;
  if (exists) {
    std::string first;
    std::getline(std::ifstream(path, std::ios::binary), first);
    // A file that was cut within its header holds nothing.
    if (static_cast<size_t>(status.st_size) > first.size()) {
      TraceFile file = ReadTraceFile(path);
      std::string difference = FirstDifference(file.trace.header, header);
      if (difference.empty() && file.trace.header.prompts_digest != header.prompts_digest) {
        difference = "prompts_digest (other prompts)";
      }
      if (difference.empty() &&
          (file.trace.header.shard != header.shard || file.trace.header.part != header.part)) {
        difference = "shard or part";
      }
      if (!difference.empty()) {
        ThrowUserError(
            path,
            "must have been recorded with the same settings to be continued, but differs "
            "in {}",
            difference);
      }
      const size_t rows = CompleteRows(file, RunsOf(file.trace.rows));
      keep = static_cast<off_t>(rows > 0 ? file.row_ends[rows - 1] : file.header_end);
      file.trace.rows.resize(rows);
      runs_ = RunsOf(file.trace.rows);
    }
  }
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) ThrowUserError(path, "must be writable but is not: {}", std::strerror(errno));
  try {
    if (exists && ::ftruncate(fd_, keep) != 0) {
      ThrowUserError(path, "must be writable but cutting it failed: {}", std::strerror(errno));
    }
    if (keep == 0) WriteAndFlush(fd_, line, path_);
  } catch (...) {
    ::close(fd_);
    throw;
  }
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
      ThrowUserError(path_, "rows must be different but {} is there twice", Describe(row));
    }
    const std::string line = Dump(RowJson(row), path_);
    // Whatever could not be read back (a NaN is written as null) is refused before it is written.
    RowFromJson(ParseJson(line, path_), header_, path_ + ": new row");
    text += line;
  }
  for (const TraceRun& run : runs_) {
    if (run.prompt == rows[0].prompt && run.seed == rows[0].seed) {
      ThrowUserError(path_, "runs must be different but has {} already", Describe(rows[0]));
    }
  }
  WriteAndFlush(fd_, text, path_);
  runs_.push_back({rows[0].prompt, rows[0].seed, rows.size()});
}

Trace ReadTrace(const std::string& path) { return ReadTraceFile(path).trace; }

Trace MergeTraces(const std::vector<Trace>& traces, const std::vector<std::string>& names) {
  if (traces.empty()) ThrowUserError("traces", "must be at least one but are none");
  const auto name = [&](size_t i) {
    return i < names.size() ? names[i] : fmt::format("trace {}", i + 1);
  };

  Trace merged;
  merged.header = traces[0].header;
  for (size_t i = 0; i < traces.size(); ++i) {
    const std::string difference = FirstDifference(merged.header, traces[i].header);
    if (!difference.empty()) {
      ThrowUserError(name(i),
                     "must be recorded with the same settings as {} but differs in {}",
                     name(0),
                     difference);
    }
    merged.warnings.insert(
        merged.warnings.end(), traces[i].warnings.begin(), traces[i].warnings.end());
    // Which prompts were meant is known only where all files agree.
    if (traces[i].header.prompts_digest != merged.header.prompts_digest) {
      merged.header.prompts_digest.clear();
    }
  }

  struct Origin {
    size_t row;
    std::set<int> shards;
    size_t file;
  };
  std::map<RowKey, Origin> origins;
  size_t total = 0;
  for (const Trace& trace : traces) total += trace.rows.size();
  merged.rows.reserve(total);  // the keys point into the rows
  for (size_t i = 0; i < traces.size(); ++i) {
    const int shard = traces[i].header.shard;
    for (const TraceRow& row : traces[i].rows) {
      const auto it = origins.find(KeyOf(row));
      if (it == origins.end()) {
        merged.rows.push_back(row);
        origins.emplace(KeyOf(merged.rows.back()), Origin{merged.rows.size() - 1, {shard}, i});
      } else if (it->second.shards.insert(shard).second) {
        MergeInto(&merged.rows[it->second.row], row, name(i));
      } else {
        ThrowUserError(name(i),
                       "rows must be different from those of {} but both have {}",
                       name(it->second.file),
                       Describe(row));
      }
    }
  }

  const int shards = merged.header.shards;
  for (const auto& [key, origin] : origins) {
    if (static_cast<int>(origin.shards.size()) == shards) continue;
    std::vector<int> missing;
    for (int s = 0; s < shards; ++s) {
      if (!origin.shards.contains(s)) missing.push_back(s);
    }
    ThrowUserError(name(origin.file),
                   "all {} tensor shards must be given but shard {} is missing for {}",
                   shards,
                   fmt::join(missing, ", "),
                   Describe(merged.rows[origin.row]));
  }
  std::set<int> parts;
  for (const Trace& trace : traces) parts.insert(trace.header.part);
  std::vector<int> missing;
  for (int p = 0; p < merged.header.parts; ++p) {
    if (!parts.contains(p)) missing.push_back(p);
  }
  if (!missing.empty()) {
    merged.warnings.push_back(
        fmt::format("the runs were spread over {} parts, but part {} is missing",
                    merged.header.parts,
                    fmt::join(missing, ", ")));
  }
  merged.header.shard = 0;
  merged.header.shards = 1;
  merged.header.part = 0;
  merged.header.parts = 1;
  return merged;
}

}  // namespace teacache
