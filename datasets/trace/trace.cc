#include "datasets/trace/trace.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "datasets/base/error.h"
#include "datasets/trace/trace_format.h"
#include "datasets/trace/trace_merge.h"

namespace teacache {
namespace {

constexpr size_t kFirstRows = 1000;

struct RowKeyHash {
  size_t operator()(const RowKey& key) const {
    size_t hash = std::hash<std::string_view>()(key.prompt);
    for (const std::string_view text : {key.branch, key.stream, key.expert}) {
      hash = hash * 31 + std::hash<std::string_view>()(text);
    }
    for (const int64_t number :
         {key.seed, int64_t{key.segment}, int64_t{key.sample}, int64_t{key.call}}) {
      hash = hash * 31 + static_cast<size_t>(number);
    }
    return hash;
  }
};

// The numbers of rows that are distinguished by their keys. Rows may be added, and stay where they
// are.
class RowIndex {
 public:
  explicit RowIndex(const std::vector<TraceRow>* rows)
      : index_(rows->capacity(), Hash{*rows}, Equal{*rows}) {}

  // The number of a row with the same key that was added before; else `row`.
  size_t Add(size_t row) { return *index_.insert(row).first; }

 private:
  struct Hash {
    const std::vector<TraceRow>& rows;
    size_t operator()(size_t i) const { return RowKeyHash()(KeyOf(rows[i])); }
  };
  struct Equal {
    const std::vector<TraceRow>& rows;
    bool operator()(size_t a, size_t b) const { return KeyOf(rows[a]) == KeyOf(rows[b]); }
  };

  std::unordered_set<size_t, Hash, Equal> index_;
};

void CheckRows(const std::string& path, TraceFile* file) {
  Trace& trace = file->trace;
  RowIndex index(&trace.rows);
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
    const size_t same = index.Add(i);
    if (same != i) {
      ThrowUserError(fmt::format("{}:{}", path, line),
                     "rows must be different but {} is also on line {}",
                     Describe(row),
                     same + 2);
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
        fmt::format("{}:{}: the denominator (prev_l1) is 0{}: the relative change is not defined",
                    path,
                    first_zero,
                    zeros > 1 ? fmt::format(", here and in {} more rows", zeros - 1) : ""));
  }
}

void MergeInto(TraceRow* into, const TraceRow& row, const std::string& where) {
  if (into->lookback.size() != row.lookback.size() || into->step != row.step ||
      into->evaluations != row.evaluations || into->first.measured() != row.first.measured() ||
      into->mod.measured() != row.mod.measured() || into->res.measured() != row.res.measured() ||
      into->out.measured() != row.out.measured()) {
    ThrowUserError(where, "shards must have measured the same but differ at {}", Describe(row));
  }
  into->mod += row.mod;
  into->res += row.res;
  into->out += row.out;
  into->first += row.first;
  for (size_t k = 0; k < row.lookback.size(); ++k) into->lookback[k] += row.lookback[k];
  // The slowest shard is waited for.
  into->ms_embed = std::max(into->ms_embed, row.ms_embed);
  into->ms_blocks = std::max(into->ms_blocks, row.ms_blocks);
  into->ms_head = std::max(into->ms_head, row.ms_head);
}

// What may differ between traces that are merged on purpose.
constexpr std::string TraceHeader::*kMixable[] = {&TraceHeader::task,
                                                  &TraceHeader::revision,
                                                  &TraceHeader::weights_sha256,
                                                  &TraceHeader::text_encoder_sha256};

// Empties in both what may differ and does.
void ForgetDifferences(const std::string& name,
                       const std::string& first_name,
                       TraceHeader* own,
                       Trace* merged) {
  const std::string difference = FirstDifference(merged->header, *own);
  bool any = false;
  for (const auto field : kMixable) {
    if (own->*field == merged->header.*field) continue;
    any = any || !((own->*field).empty() || (merged->header.*field).empty()) ||
          field == &TraceHeader::task;
    own->*field = merged->header.*field = "";
  }
  if (!any) return;
  merged->warnings.push_back(
      fmt::format("{} differs from {} in {}: they were mixed on purpose (--allow-mixed)",
                  name,
                  first_name,
                  difference));
}

// Whether nothing else differs.
bool IsMixable(TraceHeader a, TraceHeader b) {
  for (const auto field : kMixable) a.*field = b.*field = "";
  return FirstDifference(a, b).empty();
}

// Of digests that are both known.
bool Differ(const std::string& a, const std::string& b) {
  return !a.empty() && !b.empty() && a != b;
}

}  // namespace

L1Sums& L1Sums::operator+=(const L1Sums& other) {
  diff_l1 += other.diff_l1;
  prev_l1 += other.prev_l1;
  n += other.n;
  return *this;
}

void SumsList::ReadJson(const JsonNode& node) const {
  sums.clear();
  node.ForEachElement([&](const JsonNode& element) {
    L1Sums& one = sums.emplace_back();
    if (!element.is_null()) json_values::Read(element, one);
  });
}

void SumsList::WriteJson(JsonText* text) const {
  text->Begin('[');
  for (const L1Sums& one : sums) {
    if (one.measured()) {
      json_values::Write(text, one);
    } else {
      text->Null();
    }
  }
  text->End(']');
}

std::string RowLine(const TraceRow& row, const TraceHeader& header, const std::string& where) {
  JsonText text(where, -1, BadUtf8::kRefuse);
  text.Begin('{');
  JsonWriter writer(&text);
  Visit(writer, const_cast<TraceRow&>(row), header);
  text.End('}');
  return text.text() + "\n";
}

RowKey KeyOf(const TraceRow& row) {
  return {
      row.prompt, row.seed, row.branch, row.stream, row.segment, row.sample, row.expert, row.call};
}

std::string Describe(const TraceRow& row) {
  std::string prompt = row.prompt.substr(0, 40);
  if (row.prompt.size() > 40) prompt += "...";
  std::string text = fmt::format("prompt \"{}\", seed {}, branch \"{}\", expert \"{}\", call {}",
                                 prompt,
                                 row.seed,
                                 row.branch,
                                 row.expert,
                                 row.call);
  if (!row.stream.empty()) text += fmt::format(", stream \"{}\"", row.stream);
  if (row.segment != 0) text += fmt::format(", segment {}", row.segment);
  if (row.sample != 0) text += fmt::format(", sample {}", row.sample);
  return text;
}

std::string FirstDifference(const TraceHeader& a, const TraceHeader& b) {
  if (a.model != b.model) return fmt::format("model (\"{}\" and \"{}\")", a.model, b.model);
  if (a.task != b.task) return fmt::format("task (\"{}\" and \"{}\")", a.task, b.task);
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
  if (Differ(a.revision, b.revision)) {
    return fmt::format("revision (\"{}\" and \"{}\")", a.revision, b.revision);
  }
  if (Differ(a.weights_sha256, b.weights_sha256)) return "weights_sha256 (other weights)";
  if (Differ(a.text_encoder_sha256, b.text_encoder_sha256)) {
    return "text_encoder_sha256 (another text encoder)";
  }
  if (a.shards != b.shards) return fmt::format("shards ({} and {})", a.shards, b.shards);
  if (a.parts != b.parts) return fmt::format("parts ({} and {})", a.parts, b.parts);
  return "";
}

// As many rows as a file will have whose first rows end at `end`: a list that grows by itself would
// take three times their memory for a moment.
void ReserveRows(const std::string& path, size_t end, TraceFile* file) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error || size < end) return;
  const double rows =
      static_cast<double>(kFirstRows) * static_cast<double>(size) / static_cast<double>(end);
  file->trace.rows.reserve(static_cast<size_t>(1.02 * rows) + kFirstRows);
  file->row_ends.reserve(file->trace.rows.capacity());
}

TraceFile ReadTraceFile(const std::string& path) {
  TraceFile file;
  Trace& trace = file.trace;
  std::set<std::string> unknown;
  JsonLines lines(path);
  const auto note_unknown = [&](const JsonReader& reader) {
    for (const std::string& name : reader.Unknown()) {
      if (!unknown.insert(name).second) continue;
      trace.warnings.push_back(
          fmt::format("{}: unknown field \"{}\" was left out", lines.Where(), name));
    }
  };
  if (!lines.Next()) {
    ThrowUserError(path,
                   "must begin with the header of a trace but {}",
                   lines.IsCut() ? "its first line is cut off" : "is empty");
  }
  {
    JsonReader reader(lines.value());
    Visit(reader, trace.header);
    note_unknown(reader);
    file.header_end = lines.end();
  }
  while (lines.Next()) {
    JsonReader reader(lines.value());
    Visit(reader, trace.rows.emplace_back(), trace.header);
    note_unknown(reader);
    file.row_ends.push_back(lines.end());
    if (trace.rows.size() == kFirstRows) ReserveRows(path, lines.end(), &file);
  }
  if (lines.IsCut()) {
    trace.warnings.push_back(
        fmt::format("{}:{}: the last line is cut off and was left out", path, lines.line() + 1));
  }
  CheckRows(path, &file);
  return file;
}

Trace ReadTrace(const std::string& path) { return ReadTraceFile(path).trace; }

namespace {

Trace Merge(const std::vector<Trace>& traces,
            const std::vector<std::string>& names,
            bool allow_mixed) {
  if (traces.empty()) ThrowUserError("traces", "must be at least one but are none");
  const auto name = [&](size_t i) {
    return i < names.size() ? names[i] : fmt::format("trace {}", i + 1);
  };

  Trace merged;
  merged.header = traces[0].header;
  for (size_t i = 0; i < traces.size(); ++i) {
    TraceHeader own = traces[i].header;
    if (allow_mixed) ForgetDifferences(name(i), name(0), &own, &merged);
    const std::string difference = FirstDifference(merged.header, own);
    if (!difference.empty()) {
      ThrowUserError(name(i),
                     "must be recorded with the same settings as {} but differs in {}{}",
                     name(0),
                     difference,
                     IsMixable(merged.header, own) ? " (--allow-mixed takes both)" : "");
    }
    merged.warnings.insert(
        merged.warnings.end(), traces[i].warnings.begin(), traces[i].warnings.end());
    // Which prompts were meant is known only where all files agree.
    if (traces[i].header.prompts_digest != merged.header.prompts_digest) {
      merged.header.prompts_digest.clear();
    }
  }

  struct Origin {
    size_t file;
    std::vector<int> shards;
  };
  std::vector<Origin> origins;  // of each merged row
  size_t total = 0;
  for (const Trace& trace : traces) total += trace.rows.size();
  merged.rows.reserve(total);
  RowIndex index(&merged.rows);
  for (size_t i = 0; i < traces.size(); ++i) {
    const int shard = traces[i].header.shard;
    for (const TraceRow& row : traces[i].rows) {
      merged.rows.push_back(row);
      const size_t at = index.Add(merged.rows.size() - 1);
      if (at == origins.size()) {
        origins.push_back({i, {shard}});
        continue;
      }
      merged.rows.pop_back();
      Origin& origin = origins[at];
      if (std::ranges::find(origin.shards, shard) != origin.shards.end()) {
        ThrowUserError(name(i),
                       "rows must be different from those of {} but both have {}",
                       name(origin.file),
                       Describe(row));
      }
      origin.shards.push_back(shard);
      MergeInto(&merged.rows[at], row, name(i));
    }
  }

  const int shards = merged.header.shards;
  for (size_t i = 0; i < origins.size(); ++i) {
    const Origin& origin = origins[i];
    if (static_cast<int>(origin.shards.size()) == shards) continue;
    std::vector<int> missing;
    for (int s = 0; s < shards; ++s) {
      if (std::ranges::find(origin.shards, s) == origin.shards.end()) missing.push_back(s);
    }
    ThrowUserError(name(origin.file),
                   "all {} tensor shards must be given but shard {} is missing for {}",
                   shards,
                   fmt::join(missing, ", "),
                   Describe(merged.rows[i]));
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

}  // namespace

Trace MergeTraces(const std::vector<Trace>& traces, const std::vector<std::string>& names) {
  return Merge(traces, names, false);
}

Trace MergeMixedTraces(const std::vector<Trace>& traces, const std::vector<std::string>& names) {
  return Merge(traces, names, true);
}

}  // namespace teacache
