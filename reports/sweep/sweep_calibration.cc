#include "reports/sweep/sweep_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "calib/emitters/emit.h"
#include "calib/published_coefficients.h"
#include "calib/replay/threshold_sweep.h"
#include "calib/rules/fixed_schedules.h"
#include "datasets/base/error.h"
#include "datasets/base/statistics.h"
#include "datasets/prompts.h"

namespace teacache {
namespace {

constexpr int kReplayedThresholds = 400;
constexpr double kSaturated = 0.98;
constexpr double kThresholdOfNoSkips = 0.1;

// The smallest number of two significant digits that is not below `value` (> 0).
double RoundedUp(double value) {
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 1);
  // By way of text, so that 0.35000000000000003 is 0.35.
  return std::stod(fmt::format("{:.2g}", std::ceil(value / unit * (1 - 1e-12)) * unit));
}

ReportFit FittedSet(const FittedExpert& expert) {
  ReportFit fit;
  fit.coefficients = expert.fit.polynomial.coefficients();
  fit.r2 = expert.fit.r2;
  fit.rmse = expert.fit.rmse;
  if (expert.diagnostics.num_groups > 1) fit.r2_ci95 = expert.diagnostics.r2;
  fit.x_range = expert.fit.x;
  fit.y_range = expert.fit.y;
  return fit;
}

// Coefficients from elsewhere.
ReportFit GivenSet(const System& system, const std::string& text) {
  ReportFit fit;
  fit.name = text;
  if (text == "published") {
    const auto published = system.PublishedCoefficients();
    if (!published) {
      ThrowUserError("--coeffs",
                     "no coefficients are published for {}; give \"fitted\", a name, numbers or a "
                     "file",
                     system.info().name);
    }
    fit.source = "published for " + system.info().name;
    fit.coefficients = published->coefficients();
  } else {
    const Coefficients given = ResolveCoefficients(text);
    fit.coefficients = given.set.coefficients;
    fit.x_range = {given.set.x_min, given.set.x_max};
    fit.source = given.provenance.source.empty() ? "given" : given.provenance.source;
  }
  return fit;
}

void Judge(const PairSet& pairs, ReportFit* fit) {
  const FitQuality quality = Evaluate(Polynomial(fit->coefficients), pairs.pairs);
  fit->r2 = quality.r2;
  fit->rmse = quality.rmse;
}

// Short and fit for file names and addresses: a file's name without folder and extension.
std::string SetName(const std::string& text) {
  std::string name = text.substr(text.find_last_of('/') + 1);
  if (name.ends_with(".json")) name.resize(name.size() - 5);
  std::string slug;
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_';
    slug += fine ? c : '-';
  }
  return slug.substr(0, 40);
}

void AddPairs(const PairSet& set, const std::vector<std::string>& prompts, ReportFit* fit) {
  for (const Pair& pair : set.pairs) {
    const auto found = std::ranges::find(prompts, set.prompts[pair.prompt]);
    const int prompt = found == prompts.end() ? -1 : static_cast<int>(found - prompts.begin());
    fit->pairs.push_back({pair.x, pair.y, prompt, pair.call});
  }
}

std::vector<double> MeanRatios(const std::map<std::string, std::vector<double>>& by_branch) {
  std::vector<double> mean;
  for (const auto& [branch, ratios] : by_branch) {
    mean.resize(ratios.size(), 0);
    for (size_t i = 0; i < ratios.size(); ++i) {
      mean[i] += ratios[i] / static_cast<double>(by_branch.size());
    }
  }
  return mean;
}

std::vector<double> ThresholdsOf(const SweepOptions& options,
                                 const CalibrationData& data,
                                 const ReportFit& set) {
  if (!options.thresholds.empty()) {
    std::vector<double> given = options.thresholds;
    std::ranges::sort(given);
    return given;
  }
  if (!data.replay) return {kThresholdOfNoSkips};
  const ReplayOptions replay{
      FindEngineRule("teacache"), Polynomial(set.coefficients), 0, Interval{}};
  return SpacedThresholds(*data.replay, replay, options.auto_thresholds);
}

}  // namespace

std::vector<double> SpacedThresholds(const ReplayInput& input,
                                     const ReplayOptions& options,
                                     int count) {
  const std::vector<double> fine = SweepThresholds(input, options, kReplayedThresholds);
  const std::vector<SweepPoint> points = Sweep(input, options, fine);
  double fastest = 1;
  for (const SweepPoint& point : points) fastest = std::max(fastest, point.speedup);
  const auto saturated = std::ranges::find_if(
      points, [fastest](const SweepPoint& point) { return point.speedup >= kSaturated * fastest; });
  const double most = saturated == points.end() ? 0 : saturated->mean_skips;
  std::vector<double> thresholds;
  for (int i = 1; i <= count && most > 0; ++i) {
    const double wanted = most * i / count;
    const auto found = std::ranges::find_if(points, [wanted](const SweepPoint& point) {
      return point.threshold > 0 && point.mean_skips >= wanted - 1e-9;
    });
    if (found == points.end()) continue;
    const double threshold = RoundedUp(found->threshold);
    if (thresholds.empty() || threshold > thresholds.back()) thresholds.push_back(threshold);
  }
  if (thresholds.empty()) thresholds = {kThresholdOfNoSkips};
  return thresholds;
}

void CheckCoefficientSets(const System& system, const std::vector<std::string>& sets) {
  std::vector<std::string> names;
  for (const std::string& set : sets) {
    if (set != "fitted") GivenSet(system, set);
    names.push_back(SetName(set));
  }
  CheckDistinct(names, "--coeffs");
}

SweepCalibration Calibrate(const System& system,
                           const SweepOptions& options,
                           const std::vector<std::string>& fit_prompts,
                           const std::string& trace,
                           const std::string& coeffs) {
  SweepCalibration result;
  FitCoeffsOptions fit_options;
  fit_options.input.files = {trace};
  fit_options.out = coeffs;
  fit_options.fit.degree = options.degree;
  fit_options.allow_worse_degree = true;
  CalibrationData data;
  std::optional<ReportFit> fitted;
  if (std::ranges::find(options.coeffs, "fitted") != options.coeffs.end()) {
    FitCoeffsResult fit = RunFitCoeffs(fit_options);
    result.warnings = fit.warnings;
    fitted = FittedSet(fit.experts.front());
    data = std::move(fit.experts.front().data);
  } else {
    Calibration calibration = ReadCalibration(fit_options.input);
    result.warnings = calibration.warnings;
    data = std::move(calibration.experts.front());
  }
  std::vector<double> xs = Xs(data.fitted);
  std::vector<double> ys = Ys(data.fitted);
  for (const std::string& name : options.coeffs) {
    ReportFit set = name == "fitted" ? *fitted : GivenSet(system, name);
    if (name != "fitted") Judge(data.fitted, &set);
    set.model = system.info().name;
    set.name = SetName(set.name);
    set.pearson = Pearson(xs, ys);
    AddPairs(data.fitted, fit_prompts, &set);
    for (const auto& [reason, count] : data.all.left_out) set.left_out[ToString(reason)] = count;
    result.thresholds.push_back(ThresholdsOf(options, data, set));
    result.sets.push_back(std::move(set));
  }
  result.change = MeanChangeByCall(data.all);
  result.ratios = MeanRatios(data.magnitude_ratios);
  return result;
}

}  // namespace teacache
