#include "calib/fit_coeffs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "calib/fixed_schedules.h"
#include "datasets/error.h"
#include "datasets/files.h"
#include "datasets/version.h"

namespace teacache {
namespace {

void Append(std::vector<std::string>* to, const std::vector<std::string>& from) {
  for (const std::string& text : from) {
    if (std::find(to->begin(), to->end(), text) == to->end()) to->push_back(text);
  }
}

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

// Runs `work`; its mistakes are those of these files.
template <typename Work>
auto InFiles(const std::vector<std::string>& files, const Work& work) {
  try {
    return work();
  } catch (const UserError& error) {
    const std::string more = files.size() > 1 ? fmt::format(" and {} more", files.size() - 1) : "";
    throw UserError(files[0] + more, error.what());
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
Trace ForReplay(const Trace& trace, PairOptions::Branches branches) {
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
  for (const std::string& path : input.files) traces.push_back(ReadTrace(path));
  const Trace trace = MergeTraces(traces, input.files);
  Append(&calibration->warnings, trace.warnings);
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
    const Trace own = several ? OnlyExpert(trace, expert) : trace;
    CalibrationData data;
    data.expert = expert;
    PairOptions options = input.pairs;
    options.expert = std::nullopt;
    options.forced_calls.clear();
    data.all = InFiles(input.files, [&] { return ExtractPairs(own, options); });
    data.all.expert = expert;
    Append(&calibration->warnings, data.all.warnings);
    data.replay = OrWarn(
        [&] {
          return MakeReplayInput(
              ForReplay(own, input.pairs.branches), calibration->rule, &calibration->warnings);
        },
        &calibration->warnings);
    if (data.replay && trace.header.modulated == "time") data.replay->time_only = true;
    data.magnitude_ratios = MagnitudeRatios(own);
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
  const std::vector<ImportedRuns> merged = MergeImported(files, input.files);
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
    p.prompts = std::max(p.prompts, static_cast<int64_t>(runs.pairs.prompts.size()));
    CalibrationData data;
    data.expert = runs.pairs.expert;
    const PairSet branches = CombineBranches(runs.pairs, input.pairs.branches);
    data.all = OnlySteps(branches, input.pairs.first_step, input.pairs.last_step);
    Append(&calibration->warnings, runs.pairs.warnings);
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
  std::set<std::pair<int, int64_t>> runs;
  for (const Pair& pair : calibration->experts[0].all.pairs) runs.emplace(pair.prompt, pair.seed);
  p.runs = static_cast<int64_t>(runs.size());
}

CoefficientSet MakeSet(const FittedExpert& expert) {
  const FitSummary& fit = expert.fit;
  const Diagnostics& d = expert.diagnostics;
  CoefficientSet set;
  set.coefficients = fit.polynomial.coefficients();
  set.x_min = fit.x.lo;
  set.x_max = fit.x.hi;
  const auto add = [&set](const char* name, double value) { set.stats[name].value = value; };
  add("r2", fit.r2);
  add("rmse", fit.rmse);
  if (d.r2.width() > 0) {
    set.stats["r2"].lo = d.r2.lo;
    set.stats["r2"].hi = d.r2.hi;
  }
  if (d.rmse.width() > 0) {
    set.stats["rmse"].lo = d.rmse.lo;
    set.stats["rmse"].hi = d.rmse.hi;
  }
  add("mae", d.window.mae);
  add("pearson", d.window.pearson);
  add("spearman", d.window.spearman);
  add("cv_r2", d.cv.r2);
  add("cv_rmse", d.cv.rmse);
  add("r2_all_calls", d.all.r2);
  return set;
}

std::string MethodName(const FitOptions& options, const std::string& weights) {
  std::string name = ToString(options.method);
  if (options.non_negative) name += " non-negative";
  if (options.monotone) name += " monotone";
  if (options.through_origin) name += " through-origin";
  if (weights != "none") name += " weighted by " + weights;
  return name;
}

FittedExpert FitExpert(const FitCoeffsOptions& options, const CalibrationData& data) {
  FittedExpert expert;
  expert.data = data;
  PairSet& fitted = expert.data.fitted;
  if (options.weights != "none") {
    const std::vector<double> weights = MakeWeights(fitted, options.weights);
    for (size_t i = 0; i < weights.size(); ++i) fitted.pairs[i].weight *= weights[i];
  }
  expert.options = options.fit;
  const int degrees = std::max(options.diagnostics.max_degree, options.fit.degree);
  const DegreeTable table = CrossValidateDegrees(fitted, options.fit, degrees);
  if (options.choose_degree) expert.options.degree = ChooseDegree(table);
  expert.fit = FitPolynomial(Xs(fitted), Ys(fitted), expert.options, Weights(fitted));
  if (!options.choose_degree && !options.allow_worse_degree) {
    RefuseWorseDegree(table, expert.options);
  }
  expert.diagnostics =
      Diagnose(data.all, fitted, expert.options, expert.fit, options.diagnostics, &table);
  return expert;
}

ReplayOptions MakeReplayOptions(const EngineRule& rule, const Polynomial& f, const Range& x) {
  ReplayOptions options;
  options.rule = rule;
  options.polynomial = f;
  options.range = x;
  return options;
}

void CheckThresholdOptions(const ThresholdOptions& options) {
  const int wanted = options.threshold.has_value() + options.target_speedup.has_value() +
                     options.target_skips.has_value() + options.target_quality.has_value();
  if (wanted > 1) {
    ThrowUserError("threshold", "must be given or chosen by one target but there are {}", wanted);
  }
  if (options.threshold && !(*options.threshold > 0 && std::isfinite(*options.threshold))) {
    ThrowUserError("threshold", "must be > 0 but is {}", *options.threshold);
  }
  if (options.target_quality && options.results.empty()) {
    ThrowUserError(
        "threshold",
        "a target quality needs the results of a sweep (threshold=results.json) but has none");
  }
}

// The threshold of one expert, by its own signal; empty = none asked for.
std::optional<double> Choose(const ThresholdOptions& options,
                             const FittedExpert& expert,
                             const EngineRule& rule,
                             FitCoeffsResult* result) {
  const auto say = [&](const std::string& text, bool reached) {
    const std::string prefix = expert.data.expert.empty() ? "" : expert.data.expert + ": ";
    result->threshold_text += (result->threshold_text.empty() ? "" : " ") + prefix + text;
    result->threshold_reached = result->threshold_reached && reached;
  };
  if (options.threshold) return options.threshold;
  if (options.target_quality) {
    const QualityChoice choice = ChooseThresholdForQuality(
        ReadQualityPoints(
            options.result_thresholds, options.results, options.target_quality->metric),
        *options.target_quality);
    say(choice.text, choice.reached);
    return choice.threshold > 0 ? std::optional(choice.threshold) : std::nullopt;
  }
  if (!options.target_speedup && !options.target_skips) return std::nullopt;
  if (!expert.data.replay) {
    ThrowUserError("threshold",
                   "can be chosen only where calls are known, but these pairs have none");
  }
  const ThresholdChoice choice =
      ChooseThreshold(*expert.data.replay,
                      MakeReplayOptions(rule, expert.fit.polynomial, expert.fit.x),
                      {options.target_speedup, options.target_skips});
  say(choice.text, choice.reached);
  return choice.threshold > 0 ? std::optional(choice.threshold) : std::nullopt;
}

std::vector<SweepPoint> SweepCurve(const ReplayInput& input,
                                   const ReplayOptions& options,
                                   int points) {
  return points < 2 ? std::vector<SweepPoint>()
                    : Sweep(input, options, SweepThresholds(input, options, points));
}

std::vector<EngineReplay> ReplayEngines(const ReplayInput& input, ReplayOptions options) {
  std::vector<EngineReplay> replays;
  for (const EngineRule& rule : EngineRules()) {
    options.rule = rule;
    replays.push_back({rule.name, Sweep(input, options, {options.threshold})[0]});
  }
  return replays;
}

std::vector<EmittedFile> EmitAll(const FitCoeffsOptions& options, const FitCoeffsResult& result) {
  std::vector<EmittedFile> files;
  for (const std::string& name : options.emit) {
    const EmitFormat& format = FindEmitFormat(name);
    EmitInput input;
    input.coefficients = result.coefficients;
    input.threshold = result.coefficients.set.threshold.value_or(0);
    input.rule = FindEngineRule(format.rule);
    input.model = options.model;
    input.target_speedup = options.threshold.target_speedup.value_or(0);
    const FittedExpert& first = result.experts[0];
    input.magnitude_ratios = first.data.magnitude_ratios;
    if (format.needs == EmitFormat::Needs::kMask) {
      if (!first.replay) {
        ThrowUserError(name,
                       "needs a threshold or a target (for the number of skips) but has none");
      }
      input.mask = first.static_mask;
    }
    for (EmittedFile& file : Emit(name, input)) files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

Calibration ReadCalibration(const CalibrationInput& input) {
  if (input.files.empty()) ThrowUserError("fit-coeffs", "must have at least one file but has none");
  Calibration calibration;
  calibration.rule = FindEngineRule(input.engine);
  const auto traces = std::count_if(input.files.begin(), input.files.end(), IsTraceFile);
  if (traces > 0 && traces < static_cast<int64_t>(input.files.size())) {
    ThrowUserError("fit-coeffs",
                   "files must be all traces or all imports but {} of {} are traces",
                   traces,
                   input.files.size());
  }
  // A file that cannot be read is told by the importer, too.
  if (traces > 0) {
    ReadTraces(input, &calibration);
  } else {
    ReadImports(input, &calibration);
  }
  CoefficientProvenance& p = calibration.provenance;
  p.branches = ToString(input.pairs.branches);
  p.target = traces > 0 ? ToString(input.pairs.target) : "";
  p.tool_version = kVersion;
  for (const std::string& path : input.files) {
    p.traces.push_back(std::filesystem::path(path).filename().string());
  }
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

FitCoeffsResult RunFitCoeffs(const FitCoeffsOptions& options) {
  options.fit.Validate();
  CheckThresholdOptions(options.threshold);
  for (const std::string& name : options.emit) FindEmitFormat(name);
  CheckFolderOf(options.out);
  const Calibration calibration = ReadCalibration(options.input);

  FitCoeffsResult result;
  result.rule = calibration.rule;
  result.warnings = calibration.warnings;
  result.quality_target = options.threshold.target_quality.has_value();
  for (const CalibrationData& data : calibration.experts) {
    FittedExpert expert = InFiles(options.input.files, [&] { return FitExpert(options, data); });
    CoefficientSet set = MakeSet(expert);
    set.threshold = Choose(options.threshold, expert, calibration.rule, &result);
    expert.engine_warnings = EngineWarnings(set, calibration.rule);
    expert.signs = SignConsequences(expert.fit.polynomial, expert.fit.x);
    if (data.replay) {
      ReplayOptions replay =
          MakeReplayOptions(calibration.rule, expert.fit.polynomial, expert.fit.x);
      expert.sweep = SweepCurve(*data.replay, replay, options.sweep_points);
      if (set.threshold) {
        replay.threshold = *set.threshold;
        expert.replay = Replay(*data.replay, replay);
        expert.engines = ReplayEngines(*data.replay, replay);
        expert.static_mask = StaticMask(data.all, std::round(expert.replay->mean_skips));
      }
    }
    if (calibration.experts.size() > 1) {
      result.coefficients.experts[data.expert] = set;
    } else {
      result.coefficients.set = set;
    }
    result.coefficients.provenance.pairs += static_cast<int64_t>(data.fitted.pairs.size());
    result.experts.push_back(std::move(expert));
  }
  const int64_t pairs = result.coefficients.provenance.pairs;
  result.coefficients.provenance = calibration.provenance;
  result.coefficients.provenance.pairs = pairs;
  result.coefficients.provenance.method = MethodName(options.fit, options.weights);
  // Consumers that know no experts read the first one's.
  if (calibration.experts.size() > 1) {
    result.coefficients.set = result.coefficients.experts.begin()->second;
  }

  const std::vector<EmittedFile> files = EmitAll(options, result);
  if (!options.out.empty()) {
    WriteCoefficients(options.out, result.coefficients);
    result.written.push_back(options.out);
  }
  if (!files.empty()) Append(&result.written, WriteEmitted(options.emit_folder, files));
  return result;
}

ScoreResult RunScore(const ScoreCoefficientsOptions& options) {
  const Coefficients coefficients = ResolveCoefficients(options.coefficients);
  const Calibration calibration = ReadCalibration(options.input);
  ScoreResult result;
  result.set = coefficients.set;
  result.provenance = coefficients.provenance;
  result.rule = calibration.rule;
  result.likenesses = FindLikenesses(coefficients.set.coefficients);
  result.warnings = calibration.warnings;
  if (options.threshold && !(*options.threshold > 0 && std::isfinite(*options.threshold))) {
    ThrowUserError("threshold", "must be > 0 but is {}", *options.threshold);
  }
  for (const CalibrationData& data : calibration.experts) {
    const CoefficientSet& set = coefficients.ForExpert(data.expert);
    const Polynomial f(set.coefficients);
    ScoredExpert expert;
    expert.data = data;
    expert.all = Evaluate(f, data.all.pairs);
    expert.window = Evaluate(f, data.fitted.pairs);
    const FitSummary refit =
        FitPolynomialQr(Xs(data.fitted), Ys(data.fitted), std::min(std::max(f.degree(), 0), 8));
    expert.refit = Evaluate(refit.polynomial, data.fitted.pairs);
    const bool known = set.x_max > set.x_min;
    if (known) {
      const auto outside =
          std::count_if(data.fitted.pairs.begin(), data.fitted.pairs.end(), [&](const Pair& pair) {
            return pair.x < set.x_min || pair.x > set.x_max;
          });
      expert.outside = static_cast<double>(outside) / static_cast<double>(data.fitted.pairs.size());
    }
    Append(&result.engine_warnings, EngineWarnings(set, calibration.rule, refit.x));
    if (data.replay) {
      ReplayOptions replay =
          MakeReplayOptions(calibration.rule, f, known ? Range{set.x_min, set.x_max} : Range{});
      expert.sweep = SweepCurve(*data.replay, replay, options.sweep_points);
      if (options.threshold) {
        replay.threshold = *options.threshold;
        expert.replay = Replay(*data.replay, replay);
      }
    }
    result.experts.push_back(std::move(expert));
  }
  return result;
}

}  // namespace teacache
