#include "calib/fit_coeffs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
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

// The degree to fit: chosen, asked for, or the highest up to the default that the pairs can bear.
int DegreeFor(const FitCoeffsOptions& options, const PairSet& fitted, const DegreeTable& table) {
  const int possible = static_cast<int>(table.degrees.size());
  if (options.choose_degree) {
    return ChooseDegree(table, HighestBearableDegree(fitted, options.fit, possible));
  }
  if (!options.lower_degree) return options.fit.degree;
  if (possible == 0) return 0;  // a single x
  if (possible >= options.fit.degree) {
    if (EvidenceOf(fitted, options.fit).prompts != 1) return options.fit.degree;
    try {
      RefuseWorseDegree(table, options.fit);
      return options.fit.degree;
    } catch (const UserError&) {
    }
  }
  const int degree = std::min(options.fit.degree, possible);
  return ChooseDegree(table, HighestBearableDegree(fitted, options.fit, degree));
}

FittedExpert FitExpert(const FitCoeffsOptions& options,
                       const CalibrationData& data,
                       std::vector<std::string>* warnings) {
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
  expert.options.degree = DegreeFor(options, fitted, table);
  if (!options.choose_degree && expert.options.degree < options.fit.degree) {
    const std::vector<double> xs = Xs(fitted);
    const auto different = static_cast<int>(std::set<double>(xs.begin(), xs.end()).size());
    warnings->push_back(fmt::format(
        "{}degree {} is more than {} pairs of {} prompts with {} different x can bear: degree {} "
        "was fitted{}",
        data.expert.empty() ? "" : data.expert + ": ",
        options.fit.degree,
        fitted.pairs.size(),
        EvidenceOf(fitted, options.fit).prompts,
        different,
        expert.options.degree,
        different > options.fit.degree ? "; record more prompts" : ""));
  }
  expert.fit = FitPolynomial(Xs(fitted), Ys(fitted), expert.options, Weights(fitted));
  const bool asked_for = expert.options.degree == options.fit.degree;
  if (!options.choose_degree && !options.allow_worse_degree && asked_for) {
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

// What an engine is given: the fit and the threshold by its own rule.
struct EngineFit {
  CoefficientSet set;
  EmitFacts facts;
};

// The fit for an engine whose rule computes other calls than the one that was fitted for.
CoefficientSet SetForRule(const FitCoeffsOptions& options,
                          const FittedExpert& expert,
                          const EngineRule& rule,
                          std::vector<std::string>* notes) {
  CalibrationData data = expert.data;
  data.fitted = WithoutForced(data.all, rule);
  const auto same_size = data.fitted.pairs.size() == expert.data.fitted.pairs.size();
  if (options.input.all_calls || same_size) return MakeSet(expert);
  FitCoeffsOptions own = options;
  own.fit.degree = expert.options.degree;
  own.choose_degree = own.lower_degree = false;
  own.allow_worse_degree = true;
  own.diagnostics.bootstrap = 0;
  own.diagnostics.learning_repeats = 1;
  const std::string name = data.expert.empty() ? "" : "expert " + data.expert + ": ";
  try {
    const CoefficientSet set = MakeSet(FitExpert(own, data, notes));
    notes->push_back(fmt::format("{}fitted to the calls that {} may skip ({} pairs)",
                                 name,
                                 rule.name,
                                 data.fitted.pairs.size()));
    return set;
  } catch (const UserError& error) {
    notes->push_back(
        fmt::format("{}fitted to the calls that another rule may skip: {}", name, error.what()));
    return MakeSet(expert);
  }
}

EngineFit FitForEngine(const FitCoeffsOptions& options,
                       const FittedExpert& expert,
                       const std::optional<double>& threshold,
                       const EngineRule& rule,
                       const EngineRule& own_rule,
                       std::vector<std::string>* notes) {
  EngineFit fit;
  const ThresholdOptions& wanted = options.threshold;
  const bool targets = wanted.target_speedup || wanted.target_skips;
  fit.set = rule.name == own_rule.name || !targets ? MakeSet(expert)
                                                   : SetForRule(options, expert, rule, notes);
  fit.set.threshold = threshold;
  fit.facts.verdict = ToString(expert.diagnostics.verdict);
  fit.facts.verdict_text = expert.diagnostics.verdict_text;
  if (!expert.data.replay) return fit;
  ReplayOptions replay{rule, Polynomial(fit.set.coefficients), 0, {fit.set.x_min, fit.set.x_max}};
  if (targets && rule.name != own_rule.name) {
    const ThresholdChoice choice =
        ChooseThreshold(*expert.data.replay, replay, {wanted.target_speedup, wanted.target_skips});
    fit.facts.threshold_text = choice.text;
    fit.facts.reached = choice.reached;
    fit.set.threshold = choice.threshold > 0 ? std::optional(choice.threshold) : threshold;
  }
  if (!fit.set.threshold) return fit;
  const SweepPoint point = Sweep(*expert.data.replay, replay, {*fit.set.threshold})[0];
  fit.facts.mean_skips = point.mean_skips;
  fit.facts.speedup = point.speedup;
  return fit;
}

std::vector<EmittedFile> EmitAll(const FitCoeffsOptions& options, FitCoeffsResult* result) {
  std::vector<EmittedFile> files;
  for (const std::string& name : options.emit) {
    const EmitFormat& format = FindEmitFormat(name);
    EmitInput input;
    input.coefficients = result->coefficients;
    input.rule = FindEngineRule(format.rule);
    input.model = options.model;
    input.target_speedup = options.threshold.target_speedup.value_or(0);
    const FittedExpert& first = result->experts[0];
    input.magnitude_ratios = first.data.magnitude_ratios;
    if (format.needs == EmitFormat::Needs::kMask) {
      if (!first.replay) {
        ThrowUserError(name,
                       "needs a threshold or a target (for the number of skips) but has none");
      }
      input.mask = first.static_mask;
    }
    if (format.needs == EmitFormat::Needs::kCoefficients) {
      for (const FittedExpert& expert : result->experts) {
        const std::string& key = expert.data.expert;
        const bool several = result->experts.size() > 1;
        CoefficientSet& set = several ? input.coefficients.experts.at(key) : input.coefficients.set;
        EngineFit own =
            FitForEngine(options, expert, set.threshold, input.rule, result->rule, &input.notes);
        set = own.set;
        input.facts[several ? key : ""] = own.facts;
        if (own.facts.reached) continue;
        result->warnings.push_back(fmt::format(
            "{}: {}{}", name, several ? "expert " + key + ": " : "", own.facts.threshold_text));
      }
      if (result->experts.size() > 1) {
        input.coefficients.set = input.coefficients.experts.begin()->second;
      }
      if (result->quality_target && input.rule.name != result->rule.name) {
        input.notes.push_back(
            fmt::format("the threshold was measured under {}'s rule", result->rule.name));
      }
      const std::string mismatch = EmitMismatch(name, input);
      if (!mismatch.empty()) {
        result->warnings.insert(result->warnings.begin(), name + ": " + mismatch);
      }
    }
    input.threshold = input.coefficients.set.threshold.value_or(0);
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
    FittedExpert expert =
        InFiles(options.input.files, [&] { return FitExpert(options, data, &result.warnings); });
    CoefficientSet set = MakeSet(expert);
    set.threshold = Choose(options.threshold, expert, calibration.rule, &result);
    expert.engine_warnings = EngineWarnings(set, calibration.rule);
    expert.signs = SignConsequences(expert.fit.polynomial, expert.fit.x);
    if (data.replay) {
      ReplayOptions replay = {calibration.rule, expert.fit.polynomial, 0, expert.fit.x};
      expert.sweep = SweepCurve(*data.replay, replay, options.sweep_points);
      expert.useful = FindUsefulThresholds(*data.replay, replay);
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

  const std::vector<EmittedFile> files = EmitAll(options, &result);
  if (!options.out.empty()) {
    WriteCoefficients(options.out, result.coefficients);
    result.written.push_back(options.out);
  }
  if (!files.empty()) AppendNew(WriteEmitted(options.emit_folder, files), &result.written);
  return result;
}

}  // namespace teacache
