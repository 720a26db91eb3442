#include "calib/diagnosis/diagnostics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "calib/diagnosis/grouped_fit.h"
#include "calib/diagnosis/verdict.h"
#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

void Bootstrap(const GroupedFit& fits,
               int num_groups,
               const FitSummary& fit,
               int resamples,
               const DiagnosticsOptions& options,
               Diagnostics* diagnostics) {
  const int points = std::max(2, options.band_points);
  std::vector<std::vector<double>> values(points);
  std::vector<double> r2;
  std::vector<double> rmse;
  Resampler random(options.seed);
  std::vector<int> counts(num_groups);
  for (int b = 0; b < resamples; ++b) {
    std::fill(counts.begin(), counts.end(), 0);
    for (int g = 0; g < num_groups; ++g) ++counts[random.Below(num_groups)];
    const GroupedFit::Fit resampled = fits.Solve(counts);
    for (int i = 0; i < points; ++i) {
      values[i].push_back(resampled.polynomial(fit.x.lo + fit.x.width() * i / (points - 1)));
    }
    if (resampled.sst > 0) r2.push_back(1 - resampled.sse / resampled.sst);
    rmse.push_back(std::sqrt(resampled.sse / resampled.n));
  }
  for (int i = 0; i < points; ++i) {
    const double x = fit.x.lo + fit.x.width() * i / (points - 1);
    const double f = fit.polynomial(x);
    const Interval interval = Interval95(std::move(values[i])).value_or(Interval{f, f});
    diagnostics->band.push_back({x, f, interval.lo, interval.hi});
  }
  diagnostics->r2 = Interval95(std::move(r2)).value_or(Interval{});
  diagnostics->rmse = Interval95(std::move(rmse)).value_or(Interval{});
}

std::vector<StepDiagnostics> DiagnoseSteps(const std::vector<Pair>& pairs,
                                           const FitOptions& options,
                                           const FitSummary& fit) {
  std::map<int, std::vector<size_t>> by_call;
  for (size_t i = 0; i < pairs.size(); ++i) by_call[pairs[i].call].push_back(i);
  const Groups calls = GroupBy("call", pairs, [](const Pair& p) { return p.call; });
  // Leverages are defined for least squares. For a robust fit they are those of the plain fit.
  FitOptions plain = options;
  plain.method = FitOptions::Method::kPolyfit;
  const GroupedFit grouped(pairs, calls, plain);
  const std::vector<double> leverages = grouped.Leverages();
  const std::vector<Polynomial> without = grouped.LeaveOneOut();
  const double total = std::accumulate(leverages.begin(), leverages.end(), 0.0);

  std::vector<StepDiagnostics> steps;
  for (const auto& [call, indices] : by_call) {
    StepDiagnostics step;
    step.call = call;
    step.step = pairs[indices[0]].step;
    step.n = static_cast<int64_t>(indices.size());
    const double n = static_cast<double>(indices.size());
    for (size_t i : indices) {
      step.x_mean += pairs[i].x / n;
      step.y_mean += pairs[i].y / n;
      step.residual_mean += (pairs[i].y - fit.polynomial(pairs[i].x)) / n;
      step.leverage += total > 0 ? leverages[i] / total : 0;
    }
    for (size_t i : indices) {
      step.x_sd += (pairs[i].x - step.x_mean) * (pairs[i].x - step.x_mean);
      step.y_sd += (pairs[i].y - step.y_mean) * (pairs[i].y - step.y_mean);
    }
    step.x_sd = std::sqrt(step.x_sd / std::max(1.0, n - 1));
    step.y_sd = std::sqrt(step.y_sd / std::max(1.0, n - 1));
    const int group = calls.of_pair[indices[0]];
    std::vector<double> xs;
    std::vector<double> ys;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (calls.of_pair[i] == group) continue;
      xs.push_back(pairs[i].x);
      ys.push_back(pairs[i].y);
    }
    step.r2_without = xs.empty() ? 0 : RSquared(without[group], xs, ys);
    steps.push_back(step);
  }
  return steps;
}

std::optional<int> FindCarryingCall(const std::vector<StepDiagnostics>& steps, double r2) {
  const StepDiagnostics* worst = nullptr;
  for (const StepDiagnostics& step : steps) {
    if (worst == nullptr || step.r2_without < worst->r2_without) worst = &step;
  }
  if (worst == nullptr || steps.size() < 3) return std::nullopt;
  const bool collapses = r2 - worst->r2_without > std::max(0.1, 0.25 * r2);
  return collapses ? std::optional<int>(worst->call) : std::nullopt;
}

std::vector<LearningPoint> LearningCurve(const GroupedFit& fits,
                                         int num_groups,
                                         const CrossValidation& left_one_out,
                                         int repeats,
                                         uint64_t seed) {
  std::vector<int> sizes;
  for (int size : {1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700}) {
    if (size < num_groups) sizes.push_back(size);
  }
  if (num_groups > 2 && sizes.back() != num_groups / 2) sizes.push_back(num_groups / 2);
  if (num_groups > 1) sizes.push_back(num_groups - 1);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());

  Resampler random(seed);
  std::vector<int> order(num_groups);
  std::iota(order.begin(), order.end(), 0);
  std::vector<LearningPoint> curve;
  for (int size : sizes) {
    std::vector<double> rmse;
    double pooled_sse = 0;
    double pooled_n = 0;
    for (int repeat = 0; repeat < repeats; ++repeat) {
      for (int i = num_groups - 1; i > 0; --i) std::swap(order[i], order[random.Below(i + 1)]);
      std::vector<int> counts(num_groups, 0);
      for (int i = 0; i < size; ++i) counts[order[i]] = 1;
      const GroupedFit::Fit fit = fits.Solve(counts);
      double sse = 0;
      double n = 0;
      for (int i = size; i < num_groups; ++i) {
        sse += fits.Sse(fit, order[i]);
        n += fits.Count(order[i]);
      }
      if (n > 0) rmse.push_back(std::sqrt(sse / n));
      pooled_sse += sse;
      pooled_n += n;
    }
    const auto interval = Interval95(rmse);
    if (!interval) continue;
    // Each left out once is what cross-validation did.
    const double pooled =
        size == num_groups - 1 ? left_one_out.rmse : std::sqrt(pooled_sse / pooled_n);
    curve.push_back({size, pooled, *interval});
  }
  return curve;
}

Drift MeasureDrift(const std::string& name,
                   const std::vector<double>& residuals,
                   const std::vector<int>& group_of,
                   const std::vector<std::string>& names) {
  Drift drift;
  drift.group = name;
  std::map<int, std::pair<double, double>> groups;  // sum, count
  for (size_t i = 0; i < residuals.size(); ++i) {
    groups[group_of[i]].first += residuals[i];
    groups[group_of[i]].second += 1;
  }
  drift.groups = static_cast<int>(groups.size());
  const double n = static_cast<double>(residuals.size());
  const double k = static_cast<double>(groups.size());
  if (k < 2 || n <= k) return drift;
  const double mean = Mean(residuals);
  double between = 0;
  double squares = 0;
  for (const auto& [group, sum] : groups) {
    const double own = sum.first / sum.second;
    between += sum.second * (own - mean) * (own - mean);
    squares += sum.second * sum.second;
    if (std::fabs(own) > drift.largest || drift.largest_name.empty()) {
      drift.largest = std::fabs(own);
      drift.largest_name = names[group];
    }
  }
  double within = 0;
  for (size_t i = 0; i < residuals.size(); ++i) {
    const auto& [sum, count] = groups[group_of[i]];
    within += (residuals[i] - sum / count) * (residuals[i] - sum / count);
  }
  // Intraclass correlation from a one-way analysis of variance with groups of unequal size.
  const double ms_between = between / (k - 1);
  const double ms_within = within / (n - k);
  const double size = (n - squares / n) / (k - 1);
  const double denominator = ms_between + (size - 1) * ms_within;
  if (denominator > 0) drift.share = std::clamp((ms_between - ms_within) / denominator, 0.0, 1.0);
  return drift;
}

std::vector<Drift> MeasureDrifts(const PairSet& set, const Polynomial& f) {
  // What is the same for all prompts at a step is not drift.
  std::map<int, std::pair<double, double>> by_call;
  for (const Pair& pair : set.pairs) {
    by_call[pair.call].first += pair.y - f(pair.x);
    by_call[pair.call].second += 1;
  }
  std::vector<double> residuals;
  std::vector<int> prompts;
  std::vector<int> seeds;
  std::vector<int> branches;
  std::vector<std::string> seed_names;
  std::map<int64_t, int> seed_index;
  for (const Pair& pair : set.pairs) {
    const auto& [sum, count] = by_call[pair.call];
    residuals.push_back(pair.y - f(pair.x) - sum / count);
    prompts.push_back(pair.prompt);
    branches.push_back(pair.branch);
    const auto [it, inserted] =
        seed_index.try_emplace(pair.seed, static_cast<int>(seed_names.size()));
    if (inserted) seed_names.push_back(std::to_string(pair.seed));
    seeds.push_back(it->second);
  }
  return {MeasureDrift("prompt", residuals, prompts, set.prompts),
          MeasureDrift("seed", residuals, seeds, seed_names),
          MeasureDrift("branch", residuals, branches, set.branches)};
}

// Nothing left to gain: half of the prompts give nearly the error that all but one give.
bool EnoughPrompts(const std::vector<LearningPoint>& learning, int num_groups) {
  if (num_groups < 4 || learning.empty()) return false;
  const double last = learning.back().rmse;
  for (const LearningPoint& point : learning) {
    if (point.prompts == num_groups / 2) return point.rmse <= 1.03 * last;
  }
  return false;
}

}  // namespace

FitQuality Evaluate(const Polynomial& f, const std::vector<Pair>& pairs) {
  FitQuality quality;
  quality.n = static_cast<int64_t>(pairs.size());
  if (pairs.empty()) return quality;
  std::vector<double> xs;
  std::vector<double> ys;
  std::vector<double> predicted;
  double sse = 0;
  double absolute = 0;
  for (const Pair& pair : pairs) {
    xs.push_back(pair.x);
    ys.push_back(pair.y);
    predicted.push_back(f(pair.x));
    const double r = pair.y - predicted.back();
    sse += r * r;
    absolute += std::fabs(r);
  }
  quality.r2 = RSquared(f, xs, ys);
  quality.rmse = std::sqrt(sse / static_cast<double>(pairs.size()));
  quality.mae = absolute / static_cast<double>(pairs.size());
  quality.pearson = Pearson(predicted, ys);
  quality.spearman = Spearman(predicted, ys);
  return quality;
}

Diagnostics Diagnose(const PairSet& all,
                     const PairSet& fitted,
                     const FitOptions& options,
                     const FitSummary& fit,
                     const DiagnosticsOptions& diagnostics,
                     const DegreeTable* degrees) {
  options.Validate();
  const std::vector<Pair>& pairs = fitted.pairs;
  if (pairs.empty()) ThrowUserError("diagnostics", "must have pairs but have none");
  Diagnostics d;
  d.all = Evaluate(fit.polynomial, all.pairs);
  d.window = Evaluate(fit.polynomial, pairs);
  const Groups groups = MakeGroups(pairs);
  d.groups = groups.name;
  d.num_groups = groups.count;

  const GroupedFit fits(pairs, groups, options, &fit);
  d.cv = CrossValidate(fitted, options);
  FitOptions simple = options;
  simple.non_negative = simple.monotone = simple.through_origin = false;
  simple.degree = 0;
  d.baselines.push_back(CrossValidate(fitted, simple));
  d.baselines.back().name = "constant";
  simple.degree = 1;
  d.baselines.push_back(CrossValidate(fitted, simple));
  d.baselines.back().name = "line";
  d.baselines.push_back(CrossValidateSteps(fitted, options));
  d.degrees = degrees != nullptr
                  ? degrees->degrees
                  : CrossValidateDegrees(fitted, options, diagnostics.max_degree).degrees;

  const int resamples = groups.count > 1 ? diagnostics.bootstrap : 0;
  Bootstrap(fits, groups.count, fit, resamples, diagnostics, &d);
  if (fitted.calls > 0) {
    d.steps = DiagnoseSteps(pairs, options, fit);
    d.carrying_call = FindCarryingCall(d.steps, d.window.r2);
  }
  if (groups.name != "call") {
    d.learning =
        LearningCurve(fits, groups.count, d.cv, diagnostics.learning_repeats, diagnostics.seed);
    d.enough_prompts = EnoughPrompts(d.learning, groups.count);
  }
  if (fitted.calls > 0) d.drift = MeasureDrifts(fitted, fit.polynomial);
  d.negative = NegativeStretches(fit.polynomial, fit.x);
  d.decreasing = DecreasingStretches(fit.polynomial, fit.x);
  const Judgement judgement = Judge(
      options, EvidenceOf(fitted, options), d.cv, d.baselines[0], d.baselines[1], d.baselines[2]);
  d.verdict = judgement.verdict;
  d.verdict_text = judgement.text;
  return d;
}

}  // namespace teacache
