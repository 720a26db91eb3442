#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/json_fields.h"
#include "datasets/base/plain_json.h"
#include "datasets/trace/trace_format.h"

namespace teacache {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxBytes = uint64_t{1} << 36;

// Reads the plain rows that programs write; the general parser reads the others and tells what is
// wrong.
class PlainRowReader : public PlainJsonScanner {
 public:
  PlainRowReader(std::string_view line, const TraceHeader& header)
      : PlainJsonScanner(line), header_(header) {}

  bool Read(TraceRow* row) {
    unsigned seen = 0;
    const bool read = ReadObject([&](std::string_view name) {
      if (name == "prompt") return Mark(&seen, 1) && ReadString(&row->prompt);
      if (name == "seed") return Mark(&seen, 2) && ReadNumber(&row->seed);
      if (name == "branch") return Mark(&seen, 4) && ReadString(&row->branch);
      if (name == "expert") return Mark(&seen, 8) && ReadString(&row->expert);
      if (name == "call") return Mark(&seen, 16) && ReadNumber(&row->call);
      if (name == "step") return Mark(&seen, 32) && ReadNumber(&row->step);
      if (name == "timestep") return ReadNumber(&row->timestep);
      if (name == "mod") return ReadSums(&row->mod);
      if (name == "res") return ReadSums(&row->res);
      if (name == "out") return ReadSums(&row->out);
      if (name == "first") return ReadSums(&row->first);
      if (name == "ms_embed") return ReadMilliseconds(&row->ms_embed);
      if (name == "ms_blocks") return ReadMilliseconds(&row->ms_blocks);
      if (name == "ms_head") return ReadMilliseconds(&row->ms_head);
      return false;
    });
    constexpr unsigned kRequired = 1 | 2 | 16 | 32;
    if (!read || !AtEnd() || (seen & kRequired) != kRequired) return false;
    if ((seen & 4) == 0) row->branch = "batched";
    if (row->branch.empty()) return false;
    return row->call >= 0 && row->call < header_.calls && row->step >= 0 &&
           row->step < std::max(header_.steps, header_.calls);
  }

 private:
  static bool Mark(unsigned* seen, unsigned bit) {
    *seen |= bit;
    return true;
  }

  bool ReadString(std::string* text) {
    std::string_view view;
    if (!ReadText(&view)) return false;
    text->assign(view);
    return true;
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

  const TraceHeader& header_;
};

void CheckRows(const std::string& path, TraceFile* file) {
  Trace& trace = file->trace;
  std::unordered_map<RowKey, size_t, RowKeyHash> lines;
  lines.reserve(trace.rows.size());
  // The last call of a run, branch, stream, segment and sample, kept under the key of call 0 of
  // expert "".
  std::unordered_map<RowKey, int, RowKeyHash> last_call;
  bool warned_order = false;
  size_t zeros = 0;
  size_t first_zero = 0;
  for (size_t i = 0; i < trace.rows.size(); ++i) {
    const TraceRow& row = trace.rows[i];
    const size_t line = i + 2;  // line 1 is the header
    for (const L1Sums* sums : {&row.mod, &row.res, &row.out, &row.first}) {
      if (!sums->measured() || sums->prev_l1 > 0) continue;
      if (zeros++ == 0) first_zero = line;
      break;
    }
    const auto [it, inserted] = lines.emplace(KeyOf(row), line);
    if (!inserted) {
      ThrowUserError(fmt::format("{}:{}", path, line),
                     "rows must be different but {} is also on line {}",
                     Describe(row),
                     it->second);
    }
    RowKey sequence = KeyOf(row);
    sequence.expert = "";
    sequence.call = 0;
    const auto [last, first] = last_call.try_emplace(sequence, row.call);
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
  if (zeros > 0) {
    trace.warnings.push_back(
        fmt::format("{}:{}: the denominator (prev_l1) is 0{}: no relative change can be told",
                    path,
                    first_zero,
                    zeros > 1 ? fmt::format(", here and in {} more rows", zeros - 1) : ""));
  }
}

}  // namespace

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
                    "weights_sha256",
                    "text_encoder_sha256",
                    "tool_version",
                    "task",
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
                    "first",
                    "stream",
                    "segment",
                    "sample",
                    "evaluations",
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

Trace ReadTrace(const std::string& path) { return ReadTraceFile(path).trace; }

}  // namespace teacache
