#include "calib/fit_coeffs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "calib/emitters/emit.h"
#include "calib/rules/fixed_schedules.h"
#include "datasets/base/error.h"
#include "datasets/base/files.h"

namespace teacache {
namespace {

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
  const ThresholdChoice choice = ChooseThreshold(*expert.data.replay,
                                                 {rule, expert.fit.polynomial, 0, expert.fit.x},
                                                 {options.target_speedup, options.target_skips});
  say(choice.text, choice.reached);
  return choice.threshold > 0 ? std::optional(choice.threshold) : std::nullopt;
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
      ReplayOptions replay = {calibration.rule, expert.fit.polynomial, 0, expert.fit.x};
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
  if (!files.empty()) AppendNew(WriteEmitted(options.emit_folder, files), &result.written);
  return result;
}

}  // namespace teacache
