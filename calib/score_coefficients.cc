#include "calib/score_coefficients.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "calib/fit/fit.h"
#include "calib/replay/engine_warnings.h"
#include "calib/rules/signal_kind.h"
#include "datasets/base/error.h"

namespace teacache {

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
  const std::string& recorded = calibration.provenance.modulated;
  if (DifferentSignals(recorded, coefficients.provenance.modulated)) {
    result.mismatch = fmt::format(
        "x of this trace is of {}, but these coefficients are for {}: they say nothing about each "
        "other",
        DescribeSignal(recorded),
        DescribeSignal(coefficients.provenance.modulated));
    result.warnings.insert(result.warnings.begin(), result.mismatch);
  }
  result.threshold = options.threshold.value_or(coefficients.set.threshold.value_or(0));
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
    expert.intercept = f(refit.x.lo);
    AppendNew(EngineWarnings(set, calibration.rule, refit.x), &result.engine_warnings);
    if (result.threshold > 0 && expert.intercept > result.threshold / 2) {
      AppendNew({fmt::format("a fixed cadence in disguise: f of the smallest x ({:.4g}) alone is "
                             "{:.4g}, more than half of the threshold {:.4g}; whatever the signal "
                             "does, at most one call in a row is skipped",
                             refit.x.lo,
                             expert.intercept,
                             result.threshold)},
                &result.engine_warnings);
    }
    if (data.replay) {
      ReplayOptions replay = {
          calibration.rule, f, 0, known ? Interval{set.x_min, set.x_max} : Interval{}};
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
