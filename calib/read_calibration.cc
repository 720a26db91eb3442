#include "calib/read_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "calib/row_order.h"
#include "calib/rules/fixed_schedules.h"
#include "calib/trace_remarks.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/version.h"
#include "datasets/trace/trace.h"
#include "datasets/trace/trace_merge.h"

namespace teacache {
namespace {

// What `make` returns; where no run is complete nothing but a warning: pairs can be fitted still.
template <typename Make>
std::optional<ReplayInput> OrWarn(const Make& make, std::vector<std::string>* warnings) {
  try {
    return make();
  } catch (const UserError& error) {
    warnings->push_back(fmt::format("no schedule can be replayed: {}", error.what()));
    return std::nullopt;
  }
}

using PieceKey = std::tuple<std::string_view, int64_t, int>;  // prompt, seed, sample

// The same, with texts of its own.
using PieceSet = std::set<std::tuple<std::string, int64_t, int>, std::less<>>;

PieceKey PieceOf(const TraceRow& row) { return {row.prompt, row.seed, row.sample}; }

// The rows of one expert as a trace of their own, the calls of each run counted from its first one.
// That has no predecessor of the same model.
struct ExpertTrace {
  Trace trace;
  std::map<PieceKey, int> calls;  // of each run; the header has the largest
  int64_t expert_changes = 0;     // first calls that were measured against the other model's
};

ExpertTrace OnlyExpert(const Trace& trace, const std::string& expert) {
  ExpertTrace own;
  own.trace.header = trace.header;
  own.trace.header.calls = 1;
  std::map<PieceKey, int> first;
  for (const TraceRow& row : trace.rows) {
    if (row.expert != expert) continue;
    own.trace.rows.push_back(row);
    const auto [it, inserted] = first.try_emplace(PieceOf(row), row.call);
    if (!inserted) it->second = std::min(it->second, row.call);
  }
  for (TraceRow& row : own.trace.rows) {
    const int start = first.at(PieceOf(row));
    row.call -= start;
    int& calls = own.calls[PieceOf(row)];
    calls = std::max(calls, row.call + 1);
    own.trace.header.calls = std::max(own.trace.header.calls, calls);
    if (row.call > 0 || start == 0) continue;
    own.expert_changes += row.mod.measured() || row.res.measured() || row.out.measured();
    row.mod = row.res = row.out = {};
  }
  return own;
}

// Removes the measurements that are against no direct predecessor: nothing can be replayed by them.
void ClearStrangers(const std::vector<LeftOut>& judged, Trace* trace) {
  for (size_t i = 0; i < judged.size(); ++i) {
    TraceRow& row = trace->rows[i];
    if (judged[i] != LeftOut::kNone) row.mod = row.res = row.out = {};
  }
}

// Runs of which a call has no row, whatever its expert: interrupted ones.
PieceSet IncompleteRuns(const Trace& trace) {
  std::map<PieceKey, std::vector<bool>> seen;
  for (const TraceRow& row : trace.rows) {
    std::vector<bool>& calls = seen[PieceOf(row)];
    calls.resize(trace.header.calls, false);
    calls[row.call] = true;
  }
  PieceSet incomplete;
  for (const auto& [piece, calls] : seen) {
    if (std::ranges::count(calls, false) == 0) continue;
    const auto& [prompt, seed, sample] = piece;
    incomplete.emplace(prompt, seed, sample);
  }
  return incomplete;
}

// What x is of must be known: from the file, or from the user.
void CheckModulated(const std::string& given, TraceHeader* header) {
  if (header->modulated.empty()) header->modulated = given;
  if (header->modulated.empty()) {
    ThrowUserError("modulated",
                   "must say what x is of (\"input\", \"time\" or the name of a tap) but is "
                   "missing in the header; give --modulated");
  }
  if (!given.empty() && given != header->modulated) {
    ThrowUserError(
        "--modulated", "must be as recorded, \"{}\", but is \"{}\"", header->modulated, given);
  }
}

// One stream, or the sums of all of them: what an engine sees that decides once for the call. A
// call of which a stream is not measured has no sum; where streams come or go the size changes.
void ChooseStream(const std::string& stream, Trace* trace) {
  std::set<std::string> streams;
  for (const TraceRow& row : trace->rows) streams.insert(row.stream);
  if (!stream.empty()) {
    if (!streams.contains(stream)) {
      ThrowUserError("--stream",
                     "must be one of the trace (\"{}\") but is \"{}\"",
                     fmt::join(streams, "\", \""),
                     stream);
    }
    std::erase_if(trace->rows, [&](const TraceRow& row) { return row.stream != stream; });
    return;
  }
  if (streams.size() < 2) return;
  using Key = std::tuple<std::string, int64_t, std::string, std::string, int, int, int>;
  std::map<Key, size_t> calls;
  std::vector<TraceRow> rows;
  for (TraceRow& row : trace->rows) {
    const Key key{row.prompt, row.seed, row.branch, row.expert, row.segment, row.sample, row.call};
    const auto [it, inserted] = calls.try_emplace(key, rows.size());
    if (inserted) {
      rows.push_back(std::move(row));
      rows.back().stream.clear();
      continue;
    }
    TraceRow& sum = rows[it->second];
    for (const auto field : {&TraceRow::mod, &TraceRow::res, &TraceRow::out}) {
      const bool measured = (sum.*field).measured() && (row.*field).measured();
      sum.*field += row.*field;
      if (!measured) sum.*field = {};
    }
  }
  trace->rows = std::move(rows);
}

// The signals that an engine with these options decides by: one branch alone, or the sums of
// several (one decision for a batched call). kAll and kWorst: every branch decides for itself.
Trace ForReplay(Trace trace, const PairOptions& options) {
  using Branches = PairOptions::Branches;
  const bool guidance = std::ranges::any_of(
      trace.rows, [](const TraceRow& row) { return IsGuidanceBranch(row.branch); });
  std::erase_if(trace.rows,
                [&](const TraceRow& row) { return !WantsBranch(options, row.branch, guidance); });
  if (options.branches != Branches::kAverage) return trace;
  Trace own;
  own.header = trace.header;
  std::map<std::tuple<std::string, int64_t, int, int, int>, size_t> merged;
  for (const TraceRow& row : trace.rows) {
    const auto [it, inserted] = merged.try_emplace(
        {row.prompt, row.seed, row.segment, row.sample, row.call}, own.rows.size());
    if (inserted) {
      own.rows.push_back(row);
      own.rows.back().branch = ToString(options.branches);
      continue;
    }
    TraceRow& sum = own.rows[it->second];
    const bool measured = sum.mod.measured() && row.mod.measured();
    sum.mod += row.mod;
    if (!measured) sum.mod = {};  // the batch has another size than before
  }
  return own;
}

CoefficientProvenance TraceProvenance(const Trace& trace) {
  const TraceHeader& header = trace.header;
  CoefficientProvenance p;
  p.model = header.model;
  p.modulated = header.modulated;
  p.scheduler = header.scheduler;
  p.dtype = header.dtype;
  p.prompts_digest = header.prompts_digest;
  p.guidance = header.guidance;
  p.steps = header.steps;
  p.calls = header.calls;
  p.width = header.width;
  p.height = header.height;
  p.frames = header.frames;
  std::set<std::string> prompts;
  std::set<std::pair<std::string, int64_t>> runs;
  for (const TraceRow& row : trace.rows) {
    prompts.insert(row.prompt);
    runs.emplace(row.prompt, row.seed);
  }
  p.prompts = static_cast<int64_t>(prompts.size());
  p.runs = static_cast<int64_t>(runs.size());
  return p;
}

void CheckBranch(const Trace& trace, const PairOptions& options) {
  if (options.branches != PairOptions::Branches::kNamed) return;
  std::set<std::string> branches;
  for (const TraceRow& row : trace.rows) branches.insert(row.branch);
  if (branches.contains(options.branch)) return;
  ThrowUserError("branch",
                 "must be all, worst, average, cond, uncond or one of the trace (\"{}\") but is "
                 "\"{}\"",
                 fmt::join(branches, "\", \""),
                 options.branch);
}

// Measurements at call 0 are of a state that the run before left.
void WarnOfFirstCalls(const Trace& trace,
                      const std::vector<LeftOut>& judged,
                      std::vector<std::string>* warnings) {
  std::set<PieceKey> runs;
  std::set<PieceKey> leaking;
  for (size_t i = 0; i < trace.rows.size(); ++i) {
    if (trace.rows[i].call != 0) continue;
    runs.insert(PieceOf(trace.rows[i]));
    if (judged[i] == LeftOut::kFirstCall) leaking.insert(PieceOf(trace.rows[i]));
  }
  if (leaking.empty()) return;
  warnings->push_back(fmt::format(
      "{} of {} runs have a change at call 0, which has no predecessor: the recorder kept state of "
      "the run before (reset it at the start of every run); these rows are left out",
      leaking.size(),
      runs.size()));
}

// What a pair needs to know of its run where runs of an expert differ in length.
void SetCallsOfRuns(const ExpertTrace& own, PairSet* set) {
  std::map<std::pair<std::string_view, int64_t>, int> calls;
  for (const auto& [piece, count] : own.calls) {
    int& longest = calls[{std::get<0>(piece), std::get<1>(piece)}];
    longest = std::max(longest, count);
  }
  for (Pair& pair : set->pairs) {
    const int count = calls.at({set->prompts[pair.prompt], pair.seed});
    if (count < set->calls) pair.calls = count;
  }
}

void ReadTraces(const CalibrationInput& input, Calibration* calibration) {
  std::vector<Trace> traces;
  for (const std::string& path : input.files) {
    traces.push_back(ReadTrace(path));
    if (traces.back().rows.empty()) ThrowUserError(path, "must have rows but has a header only");
  }
  std::vector<std::string> names = input.files;
  SortShards(&traces, &names);
  const TraceHeader& first = traces[0].header;
  const bool is_whole = traces.size() == 1 && first.shards == 1 && first.parts == 1;
  Trace trace = is_whole            ? std::move(traces[0])
                : input.allow_mixed ? MergeMixedTraces(traces, names)
                                    : MergeTraces(traces, names);
  traces.clear();
  SortRows(&trace);
  AppendNew(trace.warnings, &calibration->warnings);
  InFiles(input.files, [&] { CheckModulated(input.modulated, &trace.header); });
  ChooseStream(input.stream, &trace);
  LeftOutCounts copies;
  AppendNew({RemoveCopies(&trace, &copies)}, &calibration->warnings);
  AppendNew(TraceRemarks(trace), &calibration->warnings);
  calibration->provenance = TraceProvenance(trace);
  CheckBranch(trace, input.pairs);

  std::vector<std::string> experts = Experts(trace);
  const bool several = experts.size() > 1;
  if (input.pairs.expert) {
    const std::string& wanted = *input.pairs.expert;
    if (std::find(experts.begin(), experts.end(), wanted) == experts.end()) {
      ThrowUserError(
          "expert", "must be one of \"{}\" but is \"{}\"", fmt::join(experts, "\", \""), wanted);
    }
    experts = {wanted};
  }
  PieceSet incomplete;
  using Branches = PairOptions::Branches;
  const Branches branches = input.pairs.branches;
  const bool some =
      branches == Branches::kCond || branches == Branches::kUncond || branches == Branches::kNamed;
  if (several || some) incomplete = IncompleteRuns(trace);
  if (!incomplete.empty()) {
    calibration->warnings.push_back(
        fmt::format("{} runs are incomplete and were not replayed", incomplete.size()));
  }
  for (const std::string& expert : experts) {
    ExpertTrace own;
    if (several) {
      own = OnlyExpert(trace, expert);
    } else {
      own.trace = std::move(trace);
    }
    const std::vector<LeftOut> judged = JudgePredecessors(own.trace);
    WarnOfFirstCalls(own.trace, judged, &calibration->warnings);
    CalibrationData data;
    data.expert = expert;
    PairOptions options = input.pairs;
    options.expert = std::nullopt;
    options.forced_calls.clear();
    data.all = InFiles(input.files, [&] { return ExtractPairs(own.trace, options, &judged); });
    data.all.expert = expert;
    if (own.expert_changes > 0) data.all.left_out[LeftOut::kExpertChange] += own.expert_changes;
    for (const auto& [reason, count] : copies) data.all.left_out[reason] += count;
    if (several) SetCallsOfRuns(own, &data.all);
    AppendNew(data.all.warnings, &calibration->warnings);
    ClearStrangers(judged, &own.trace);
    data.magnitude_ratios = MagnitudeRatios(own.trace);
    std::erase_if(own.trace.rows,
                  [&](const TraceRow& row) { return incomplete.contains(PieceOf(row)); });
    const bool time_only = own.trace.header.modulated == "time";
    data.replay = OrWarn(
        [&] {
          return MakeReplayInput(ForReplay(std::move(own.trace), input.pairs),
                                 calibration->rule,
                                 &calibration->warnings,
                                 several ? RunLengths::kOwn
                                 : some  ? RunLengths::kComplete
                                         : RunLengths::kWhole);
        },
        &calibration->warnings);
    if (data.replay && time_only) data.replay->time_only = true;
    calibration->experts.push_back(std::move(data));
  }
}

void ReadImports(const CalibrationInput& input, Calibration* calibration) {
  if (input.pairs.target == PairOptions::Target::kOutput) {
    calibration->warnings.push_back(
        "imported files hold one target; which one it is depends on the program that wrote it");
  }
  std::vector<std::vector<ImportedRuns>> files;
  for (const std::string& path : input.files) {
    files.push_back(input.text.empty() ? ImportPairs(path, input.import)
                                       : ImportPairsFromText(input.text, path, input.import));
  }
  std::vector<ImportedRuns> merged = MergeImported(files, input.files);
  CoefficientProvenance& p = calibration->provenance;
  for (ImportedRuns& runs : merged) {
    if (input.pairs.expert && runs.pairs.expert != *input.pairs.expert) continue;
    AppendNew({RemoveCopies(&runs.pairs)}, &calibration->warnings);
    InFiles(input.files, [&] { CheckPairs(&runs.pairs); });  // in the order of the file
    SortImportedPairs(&runs.pairs);
    p.model = runs.model;
    p.source = runs.source;
    p.guidance = runs.guidance;
    p.width = runs.width;
    p.height = runs.height;
    p.frames = runs.frames;
    p.steps = runs.pairs.steps;
    p.calls = runs.pairs.calls;
    if (PromptsKnown(runs.pairs)) {
      p.prompts = std::max(p.prompts, static_cast<int64_t>(runs.pairs.prompts.size()));
    }
    CalibrationData data;
    data.expert = runs.pairs.expert;
    const PairSet branches = CombineBranches(runs.pairs, input.pairs);
    data.all = OnlySteps(branches, input.pairs.first_step, input.pairs.last_step);
    AppendNew(runs.pairs.warnings, &calibration->warnings);
    if (runs.pairs.calls > 1) {
      const bool each = input.pairs.branches == PairOptions::Branches::kWorst;
      data.replay = OrWarn(
          [&] { return MakeReplayInput(each ? runs.pairs : branches, &calibration->warnings); },
          &calibration->warnings);
    }
    calibration->experts.push_back(std::move(data));
  }
  if (calibration->experts.empty()) {
    ThrowUserError("expert", "must be one in the files but \"{}\" is not", *input.pairs.expert);
  }
  if (p.prompts == 0) return;
  std::set<std::pair<int, int64_t>> runs;
  for (const Pair& pair : calibration->experts[0].all.pairs) runs.emplace(pair.prompt, pair.seed);
  p.runs = static_cast<int64_t>(runs.size());
}

// Whether the files are traces, all of them; imports otherwise.
bool AreTraces(const std::vector<std::string>& files) {
  std::string trace;
  std::string other;
  for (const std::string& path : files) {
    std::error_code error;
    const auto type = std::filesystem::status(path, error).type();
    // They are read more than once.
    if (type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::socket ||
        type == std::filesystem::file_type::character) {
      ThrowUserError(path, "must be a file but is a pipe or a device");
    }
    (IsTraceFile(path) ? trace : other) = path;
  }
  if (!trace.empty() && !other.empty()) {
    ThrowUserError(
        other, "must be a trace as {} is (files are all traces or all imports) but is none", trace);
  }
  return !trace.empty();
}

}  // namespace

PairSet WithoutForced(PairSet set, const EngineRule& rule) {
  if (set.calls == 0) return set;
  std::erase_if(set.pairs, [&](const Pair& pair) {
    return IsForcedCall(rule, pair.call, pair.calls > 0 ? pair.calls : set.calls);
  });
  return set;
}

void AppendNew(const std::vector<std::string>& from, std::vector<std::string>* to) {
  for (const std::string& text : from) {
    if (!text.empty() && std::find(to->begin(), to->end(), text) == to->end()) to->push_back(text);
  }
}

Calibration ReadCalibration(const CalibrationInput& input) {
  if (input.files.empty()) ThrowUserError("fit-coeffs", "must have at least one file but has none");
  Calibration calibration;
  calibration.rule = FindEngineRule(input.engine);
  const bool traces = input.text.empty() && AreTraces(input.files);
  // The importer also reports a file that cannot be read.
  if (traces) {
    ReadTraces(input, &calibration);
  } else {
    ReadImports(input, &calibration);
  }
  CoefficientProvenance& p = calibration.provenance;
  p.branches = BranchesName(input.pairs);
  if (!traces) p.modulated = input.modulated;
  p.target = traces ? ToString(input.pairs.target) : "";
  p.tool_version = kVersion;
  for (const std::string& path : input.files) {
    if (!input.text.empty()) break;
    p.traces.push_back(std::filesystem::path(path).filename().string());
  }
  std::ranges::sort(p.traces, NaturalLess);
  for (CalibrationData& data : calibration.experts) {
    data.fitted = input.all_calls ? data.all : WithoutForced(data.all, calibration.rule);
    if (data.fitted.pairs.empty()) {
      ThrowUserError("fit-coeffs",
                     "must have pairs of calls that {} may skip but has none",
                     calibration.rule.name);
    }
  }
  return calibration;
}

}  // namespace teacache
