#include "calib/read_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>
#include <utility>

#include "calib/row_order.h"
#include "calib/rules/fixed_schedules.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/version.h"
#include "datasets/trace/trace.h"

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

// The rows of one expert as a trace of their own, calls counted from its first one. The first call
// has no predecessor of the same model.
Trace OnlyExpert(const Trace& trace, const std::string& expert) {
  Trace own;
  own.header = trace.header;
  int first = trace.header.calls;
  int last = 0;
  for (const TraceRow& row : trace.rows) {
    if (row.expert != expert) continue;
    own.rows.push_back(row);
    first = std::min(first, row.call);
    last = std::max(last, row.call);
  }
  own.header.calls = last - first + 1;
  for (TraceRow& row : own.rows) {
    row.call -= first;
    if (row.call > 0) continue;
    row.mod = {};
    row.res = {};
    row.out = {};
  }
  return own;
}

// The signals that an engine with this branch policy decides by: one branch alone, or the sums of
// both (one decision for a batched call). kAll and kWorst: every branch decides for itself.
Trace ForReplay(Trace trace, PairOptions::Branches branches) {
  using Branches = PairOptions::Branches;
  if (branches == Branches::kAll || branches == Branches::kWorst) return trace;
  Trace own;
  own.header = trace.header;
  std::map<std::tuple<std::string, int64_t, int>, size_t> merged;
  for (const TraceRow& row : trace.rows) {
    const bool uncond = row.branch == "uncond";
    if (branches == Branches::kCond ? uncond : branches == Branches::kUncond && !uncond) continue;
    const auto [it, inserted] =
        merged.try_emplace({row.prompt, row.seed, row.call}, own.rows.size());
    if (inserted) {
      own.rows.push_back(row);
      own.rows.back().branch = ToString(branches);
    } else {
      own.rows[it->second].mod += row.mod;
    }
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
  Trace trace = is_whole ? std::move(traces[0]) : MergeTraces(traces, names);
  traces.clear();
  SortRows(&trace);
  AppendNew(trace.warnings, &calibration->warnings);
  calibration->provenance = TraceProvenance(trace);

  std::vector<std::string> experts = Experts(trace);
  if (input.pairs.expert) {
    const std::string& wanted = *input.pairs.expert;
    if (std::find(experts.begin(), experts.end(), wanted) == experts.end()) {
      ThrowUserError(
          "expert", "must be one of \"{}\" but is \"{}\"", fmt::join(experts, "\", \""), wanted);
    }
    experts = {wanted};
  }
  const bool several = Experts(trace).size() > 1;
  for (const std::string& expert : experts) {
    Trace own = several ? OnlyExpert(trace, expert) : std::move(trace);
    const bool time_only = own.header.modulated == "time";
    CalibrationData data;
    data.expert = expert;
    PairOptions options = input.pairs;
    options.expert = std::nullopt;
    options.forced_calls.clear();
    data.all = InFiles(input.files, [&] { return ExtractPairs(own, options); });
    data.all.expert = expert;
    AppendNew(data.all.warnings, &calibration->warnings);
    data.magnitude_ratios = MagnitudeRatios(own);
    data.replay = OrWarn(
        [&] {
          return MakeReplayInput(ForReplay(std::move(own), input.pairs.branches),
                                 calibration->rule,
                                 &calibration->warnings);
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
  for (const std::string& path : input.files) files.push_back(ImportPairs(path, input.import));
  std::vector<ImportedRuns> merged = MergeImported(files, input.files);
  for (ImportedRuns& runs : merged) SortImportedPairs(&runs.pairs);
  CoefficientProvenance& p = calibration->provenance;
  for (const ImportedRuns& runs : merged) {
    if (input.pairs.expert && runs.pairs.expert != *input.pairs.expert) continue;
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
    const PairSet branches = CombineBranches(runs.pairs, input.pairs.branches);
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

void AppendNew(const std::vector<std::string>& from, std::vector<std::string>* to) {
  for (const std::string& text : from) {
    if (std::find(to->begin(), to->end(), text) == to->end()) to->push_back(text);
  }
}

Calibration ReadCalibration(const CalibrationInput& input) {
  if (input.files.empty()) ThrowUserError("fit-coeffs", "must have at least one file but has none");
  Calibration calibration;
  calibration.rule = FindEngineRule(input.engine);
  const bool traces = AreTraces(input.files);
  // The importer also reports a file that cannot be read.
  if (traces) {
    ReadTraces(input, &calibration);
  } else {
    ReadImports(input, &calibration);
  }
  CoefficientProvenance& p = calibration.provenance;
  p.branches = ToString(input.pairs.branches);
  p.target = traces ? ToString(input.pairs.target) : "";
  p.tool_version = kVersion;
  for (const std::string& path : input.files) {
    p.traces.push_back(std::filesystem::path(path).filename().string());
  }
  std::ranges::sort(p.traces, NaturalLess);
  for (CalibrationData& data : calibration.experts) {
    const bool known = data.all.calls > 0;
    std::vector<bool> forced;
    if (known && !input.all_calls) {
      const int calls = data.replay ? data.replay->calls : data.all.calls;
      forced = ForcedCalls(calibration.rule, calls);
    }
    data.fitted = WithoutCalls(data.all, forced);
    if (data.fitted.pairs.empty()) {
      ThrowUserError("fit-coeffs",
                     "must have pairs of calls that {} may skip but has none",
                     calibration.rule.name);
    }
  }
  return calibration;
}

}  // namespace teacache
