#include "calib/diagnostics.h"

#include <fmt/format.h>

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "calib/least_squares.h"
#include "calib/statistics.h"
#include "datasets/error.h"

namespace teacache {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr int kRobustResamples = 200;

Range ObservedX(const std::vector<Pair>& pairs) {
  Range range = {pairs.front().x, pairs.front().x};
  for (const Pair& pair : pairs) {
    range.lo = std::min(range.lo, pair.x);
    range.hi = std::max(range.hi, pair.x);
  }
  return range;
}

// Pairs that belong together: left out together, drawn together.
struct Groups {
  std::string name;
  std::vector<int> of_pair;
  int count = 0;
};

template <typename Key>
Groups GroupBy(const std::string& name, const std::vector<Pair>& pairs, const Key& key_of) {
  Groups groups{name, {}, 0};
  std::map<decltype(key_of(pairs[0])), int> index;
  for (const Pair& pair : pairs) {
    const auto [it, inserted] = index.try_emplace(key_of(pair), groups.count);
    groups.count += inserted ? 1 : 0;
    groups.of_pair.push_back(it->second);
  }
  return groups;
}

Groups MakeGroups(const std::vector<Pair>& pairs) {
  Groups groups = GroupBy("prompt", pairs, [](const Pair& p) { return p.prompt; });
  if (groups.count > 1) return groups;
  groups = GroupBy("run", pairs, [](const Pair& p) { return p.seed; });
  if (groups.count > 1) return groups;
  return GroupBy("call", pairs, [](const Pair& p) { return p.call % 10; });
}

// A fit to any choice of groups, each counted as often as wanted.
class GroupedFit {
 public:
  struct Fit {
    Polynomial polynomial;
    VectorXd theta;  // of least-squares methods
    double sse = 0;  // over the chosen groups, every pair counting once, whatever its weight
    double sst = 0;
    double n = 0;
  };

  GroupedFit(const std::vector<Pair>& pairs, const Groups& groups, const FitOptions& options)
      : pairs_(pairs),
        groups_(groups),
        options_(options),
        basis_(MakeBasis(options, ObservedX(pairs))),
        lower_(MakeLowerBounds(options, 0)),
        sums_(groups.count) {
    if (options.robust()) {
      members_.resize(groups.count);
      for (size_t i = 0; i < pairs.size(); ++i) {
        xs_.push_back(pairs[i].x);
        ys_.push_back(pairs[i].y);
        members_[groups.of_pair[i]].push_back(i);
      }
      std::vector<double> weights;
      for (const Pair& pair : pairs) weights.push_back(pair.weight);
      start_ = FitPolynomialDirect(xs_, ys_, options, weights);
    } else {
      triangles_ = ReduceGroups(true);
      const bool weighted = std::any_of(
          pairs.begin(), pairs.end(), [](const Pair& pair) { return pair.weight != 1; });
      if (weighted) plain_triangles_ = ReduceGroups(false);
    }
    for (size_t i = 0; i < pairs.size(); ++i) {
      Sums& sums = sums_[groups.of_pair[i]];
      sums.n += 1;
      sums.y += pairs[i].y;
      sums.yy += pairs[i].y * pairs[i].y;
    }
  }

  Fit Solve(const std::vector<int>& counts) const {
    Fit fit = options_.robust() ? SolveRobust(counts) : SolveStack(Stack(counts));
    double y = 0;
    double yy = 0;
    for (int g = 0; g < groups_.count; ++g) {
      if (counts[g] == 0) continue;
      fit.n += counts[g] * sums_[g].n;
      y += counts[g] * sums_[g].y;
      yy += counts[g] * sums_[g].yy;
      fit.sse += counts[g] * Sse(fit, g);
    }
    fit.sst = fit.n > 0 ? std::max(0.0, yy - y * y / fit.n) : 0;
    return fit;
  }

  // The fits without each group, in order. Triangles of the groups before and behind are shared, so
  // that the work grows with the number of groups, not with its square.
  std::vector<Polynomial> LeaveOneOut() const {
    std::vector<Polynomial> fits;
    if (options_.robust()) {
      std::vector<int> counts(groups_.count, 1);
      for (int g = 0; g < groups_.count; ++g) {
        counts[g] = 0;
        fits.push_back(SolveRobust(counts).polynomial);
        counts[g] = 1;
      }
      return fits;
    }
    const int size = basis_.size();
    std::vector<MatrixXd> behind(groups_.count + 1, MatrixXd::Zero(size + 1, size + 1));
    for (int g = groups_.count - 1; g >= 0; --g) behind[g] = Join(behind[g + 1], triangles_[g]);
    MatrixXd before = MatrixXd::Zero(size + 1, size + 1);
    for (int g = 0; g < groups_.count; ++g) {
      fits.push_back(SolveStack(Join(before, behind[g + 1])).polynomial);
      before = Join(before, triangles_[g]);
    }
    return fits;
  }

  // Sum of squared residuals of `fit` on the pairs of one group.
  double Sse(const Fit& fit, int group) const {
    if (!options_.robust()) {
      const MatrixXd& t = plain_triangles_.empty() ? triangles_[group] : plain_triangles_[group];
      const int size = basis_.size();
      return (t.leftCols(size) * fit.theta - t.col(size)).squaredNorm();
    }
    double sse = 0;
    for (size_t i : members_[group]) {
      const double r = pairs_[i].y - fit.polynomial(pairs_[i].x);
      sse += r * r;
    }
    return sse;
  }

  double Count(int group) const { return sums_[group].n; }

  // The diagonal of the hat matrix: how much each pair's own y moves its prediction.
  std::vector<double> Leverages() const {
    const int size = basis_.size();
    const MatrixXd a = Stack(std::vector<int>(groups_.count, 1)).topLeftCorner(size, size);
    const Eigen::JacobiSVD<MatrixXd> svd(a, Eigen::ComputeThinV);
    MatrixXd inverse = svd.matrixV();
    for (int k = 0; k < size; ++k) {
      const double s = svd.singularValues()[k];
      inverse.col(k) *= s > 1e-14 * svd.singularValues()[0] ? 1 / s : 0;
    }
    std::vector<double> leverages;
    VectorXd row(size);
    for (const Pair& pair : pairs_) {
      basis_.Evaluate(pair.x, row.data());
      leverages.push_back(pair.weight * (inverse.transpose() * row).squaredNorm());
    }
    return leverages;
  }

 private:
  struct Sums {
    double n = 0;
    double y = 0;
    double yy = 0;
  };

  static MatrixXd Join(const MatrixXd& a, const MatrixXd& b) {
    QrAccumulator qr(static_cast<int>(a.cols()) - 1);
    Append(a, 1, &qr);
    Append(b, 1, &qr);
    return qr.Triangle();
  }

  static void Append(const MatrixXd& triangle, double factor, QrAccumulator* qr) {
    std::vector<double> row(triangle.cols());
    for (int i = 0; i < triangle.rows(); ++i) {
      for (int k = 0; k < triangle.cols(); ++k) row[k] = factor * triangle(i, k);
      qr->Add(row.data());
    }
  }

  std::vector<MatrixXd> ReduceGroups(bool weighted) const {
    const int size = basis_.size();
    std::vector<QrAccumulator> accumulators(groups_.count, QrAccumulator(size));
    std::vector<double> row(size + 1);
    for (size_t i = 0; i < pairs_.size(); ++i) {
      basis_.Evaluate(pairs_[i].x, row.data());
      row[size] = pairs_[i].y;
      if (weighted && pairs_[i].weight != 1) {
        for (double& value : row) value *= std::sqrt(pairs_[i].weight);
      }
      accumulators[groups_.of_pair[i]].Add(row.data());
    }
    std::vector<MatrixXd> triangles;
    for (QrAccumulator& qr : accumulators) triangles.push_back(qr.Triangle());
    return triangles;
  }

  MatrixXd Stack(const std::vector<int>& counts) const {
    QrAccumulator qr(basis_.size());
    for (int g = 0; g < groups_.count; ++g) {
      if (counts[g] > 0) Append(triangles_[g], std::sqrt(counts[g]), &qr);
    }
    return qr.Triangle();
  }

  Fit SolveStack(const MatrixXd& triangle) const {
    const double rcond = static_cast<double>(pairs_.size()) * kEpsilon;
    Fit fit;
    fit.theta = lower_.size() > 0 ? SolveBounded(triangle, lower_).theta
                                  : SolveTriangle(triangle, rcond).theta;
    fit.polynomial = Polynomial(basis_.ToPower(fit.theta));
    return fit;
  }

  Fit SolveRobust(const std::vector<int>& counts) const {
    std::vector<double> weights;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      weights.push_back(pairs_[i].weight * counts[groups_.of_pair[i]]);
    }
    Fit fit;
    fit.polynomial = FitPolynomialDirect(xs_, ys_, options_, weights, &start_).polynomial;
    return fit;
  }

  const std::vector<Pair>& pairs_;
  const Groups& groups_;
  FitOptions options_;
  Basis basis_;
  VectorXd lower_;
  std::vector<Sums> sums_;
  // Least-squares methods: [A | b] of each group, reduced, and where pairs have weights the same
  // without.
  std::vector<MatrixXd> triangles_;
  std::vector<MatrixXd> plain_triangles_;
  std::vector<std::vector<size_t>> members_;  // robust methods: the pairs of each group
  std::vector<double> xs_;                    // robust methods
  std::vector<double> ys_;
  FitSummary start_;
};

// Errors of predictions made for each pair without its group.
CrossValidation Score(std::string name,
                      const std::vector<Pair>& pairs,
                      const std::function<double(size_t)>& predict) {
  CrossValidation cv;
  cv.name = std::move(name);
  double mean = 0;
  for (const Pair& pair : pairs) mean += pair.y;
  mean /= static_cast<double>(pairs.size());
  double sse = 0;
  double sst = 0;
  double absolute = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const double r = pairs[i].y - predict(i);
    sse += r * r;
    absolute += std::fabs(r);
    sst += (pairs[i].y - mean) * (pairs[i].y - mean);
  }
  cv.rmse = std::sqrt(sse / static_cast<double>(pairs.size()));
  cv.mae = absolute / static_cast<double>(pairs.size());
  cv.r2 = sst > 0 ? 1 - sse / sst : 0;
  return cv;
}

CrossValidation CrossValidate(const std::string& name,
                              const std::vector<Pair>& pairs,
                              const Groups& groups,
                              const FitOptions& options) {
  const std::vector<Polynomial> fits = GroupedFit(pairs, groups, options).LeaveOneOut();
  return Score(name, pairs, [&](size_t i) { return fits[groups.of_pair[i]](pairs[i].x); });
}

CrossValidation CrossValidateSteps(const std::vector<Pair>& pairs, const Groups& groups) {
  struct Sum {
    double y = 0;
    double n = 0;
  };
  using Key = std::pair<int, int>;  // call, branch
  std::map<Key, Sum> all;
  std::map<std::pair<Key, int>, Sum> own;
  std::vector<Sum> own_total(groups.count);
  Sum total;
  const auto add = [](Sum* sum, double y) {
    sum->y += y;
    sum->n += 1;
  };
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Key key = {pairs[i].call, pairs[i].branch};
    add(&all[key], pairs[i].y);
    add(&own[{key, groups.of_pair[i]}], pairs[i].y);
    add(&own_total[groups.of_pair[i]], pairs[i].y);
    add(&total, pairs[i].y);
  }
  return Score("step", pairs, [&](size_t i) {
    const Key key = {pairs[i].call, pairs[i].branch};
    const int group = groups.of_pair[i];
    const Sum& with = all[key];
    const Sum& without = own[{key, group}];
    if (with.n > without.n) return (with.y - without.y) / (with.n - without.n);
    // Nobody else has this call: the mean of all others.
    const double n = total.n - own_total[group].n;
    return n > 0 ? (total.y - own_total[group].y) / n : total.y / total.n;
  });
}

FitOptions LeastSquares(int degree, const FitOptions& like) {
  FitOptions options = like;
  options.method = FitOptions::Method::kPolyfit;
  options.degree = degree;
  return options;
}

// How many degrees these pairs can tell apart.
int DegreesPossible(const std::vector<Pair>& pairs, int max_degree) {
  std::set<double> different;
  for (const Pair& pair : pairs) {
    different.insert(pair.x);
    if (static_cast<int>(different.size()) > max_degree + 1) break;
  }
  return std::min(max_degree, static_cast<int>(different.size()) - 1);
}

std::vector<CrossValidation> CrossValidateDegrees(const std::vector<Pair>& pairs,
                                                  const Groups& groups,
                                                  const FitOptions& like,
                                                  int max_degree) {
  std::vector<CrossValidation> degrees;
  for (int degree = 1; degree <= DegreesPossible(pairs, max_degree); ++degree) {
    degrees.push_back(
        CrossValidate(fmt::format("degree {}", degree), pairs, groups, LeastSquares(degree, like)));
  }
  return degrees;
}

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
  std::mt19937_64 random(options.seed);
  std::vector<int> counts(num_groups);
  for (int b = 0; b < resamples; ++b) {
    std::fill(counts.begin(), counts.end(), 0);
    for (int g = 0; g < num_groups; ++g) ++counts[random() % num_groups];
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
    const Range interval = values[i].empty() ? Range{f, f} : Interval95(std::move(values[i]));
    diagnostics->band.push_back({x, f, interval.lo, interval.hi});
  }
  if (!r2.empty()) diagnostics->r2 = Interval95(r2);
  if (!rmse.empty()) diagnostics->rmse = Interval95(rmse);
}

std::vector<StepDiagnostics> DiagnoseSteps(const std::vector<Pair>& pairs,
                                           const FitOptions& options,
                                           const FitSummary& fit) {
  std::map<int, std::vector<size_t>> by_call;
  for (size_t i = 0; i < pairs.size(); ++i) by_call[pairs[i].call].push_back(i);
  const Groups calls = GroupBy("call", pairs, [](const Pair& p) { return p.call; });
  // Least squares: what a leverage is of. Robust fits are told what their plain sister hangs on.
  const GroupedFit grouped(pairs, calls, LeastSquares(options.degree, options));
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

  std::mt19937_64 random(seed);
  std::vector<int> order(num_groups);
  std::iota(order.begin(), order.end(), 0);
  std::vector<LearningPoint> curve;
  for (int size : sizes) {
    std::vector<double> rmse;
    for (int repeat = 0; repeat < repeats; ++repeat) {
      for (int i = num_groups - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
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
    }
    if (rmse.empty()) continue;
    curve.push_back({size, Quantile(rmse, 0.5), Interval95(rmse)});
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

void Judge(const FitOptions& options, Diagnostics* d) {
  const CrossValidation& constant = d->baselines[0];
  const CrossValidation& line = d->baselines[1];
  const CrossValidation& step = d->baselines[2];
  const bool step_wins = step.rmse < 0.95 * d->cv.rmse && step.r2 > 0.1;
  if (step_wins) {
    d->verdict = Verdict::kUseSteps;
    d->verdict_text = fmt::format(
        "The step number alone predicts the change better (cross-validated R2 {:.3f}) than the "
        "polynomial of the signal ({:.3f}). A fixed mask or MagCache-like ratios will do better "
        "than "
        "these coefficients.",
        step.r2,
        d->cv.r2);
  } else if (d->cv.rmse >= 0.99 * constant.rmse) {
    d->verdict = Verdict::kNoSignal;
    d->verdict_text = fmt::format(
        "The signal does not predict the change: the cross-validated error ({:.4g}) is that of a "
        "constant ({:.4g}). These coefficients skip at random; do not use them.",
        d->cv.rmse,
        constant.rmse);
  } else if (options.degree > 1 && line.rmse <= 1.01 * d->cv.rmse) {
    d->verdict = Verdict::kLineSuffices;
    d->verdict_text = fmt::format(
        "The signal predicts the change with a cross-validated R2 of {:.3f}, and a straight line "
        "does "
        "it as well ({:.3f}). Degree 1 is the safer choice: it cannot bend outside the observed "
        "range.",
        d->cv.r2,
        line.r2);
  } else {
    d->verdict = Verdict::kUse;
    d->verdict_text = fmt::format(
        "The polynomial predicts the change with a cross-validated R2 of {:.3f} (line {:.3f}, step "
        "number {:.3f}). It is usable for x between the ends of the observed range.",
        d->cv.r2,
        line.r2,
        step.r2);
  }
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

CrossValidation CrossValidate(const PairSet& pairs, const FitOptions& options) {
  options.Validate();
  return CrossValidate(
      fmt::format("degree {}", options.degree), pairs.pairs, MakeGroups(pairs.pairs), options);
}

CrossValidation CrossValidateSteps(const PairSet& pairs) {
  return CrossValidateSteps(pairs.pairs, MakeGroups(pairs.pairs));
}

int ChooseDegree(const PairSet& set, FitOptions options, int max_degree) {
  options.degree = 1;
  options.Validate();
  const std::vector<Pair>& pairs = set.pairs;
  const Groups groups = MakeGroups(pairs);
  const int degrees = DegreesPossible(pairs, max_degree);
  if (degrees < 1) {
    ThrowUserError("fit", "x must take at least 2 different values but takes fewer");
  }
  // Squared errors of the pairs left out, by degree and group.
  std::vector<std::vector<double>> sse(degrees, std::vector<double>(groups.count, 0));
  std::vector<double> total(degrees, 0);
  for (int degree = 1; degree <= degrees; ++degree) {
    const std::vector<Polynomial> fits =
        GroupedFit(pairs, groups, LeastSquares(degree, options)).LeaveOneOut();
    for (size_t i = 0; i < pairs.size(); ++i) {
      const int group = groups.of_pair[i];
      const double r = pairs[i].y - fits[group](pairs[i].x);
      sse[degree - 1][group] += r * r;
      total[degree - 1] += r * r;
    }
  }
  const size_t best = std::min_element(total.begin(), total.end()) - total.begin();
  for (size_t d = 0; d < best; ++d) {
    // Paired over groups: is the best one's lead more than chance?
    const double lead = (total[d] - total[best]) / groups.count;
    double variance = 0;
    for (int g = 0; g < groups.count; ++g) {
      const double difference = sse[d][g] - sse[best][g] - lead;
      variance += difference * difference;
    }
    const double error = std::sqrt(variance / std::max(1, groups.count - 1) / groups.count);
    if (lead <= error || total[d] <= 1.02 * total[best]) return static_cast<int>(d) + 1;
  }
  return static_cast<int>(best) + 1;
}

void RefuseWorseDegree(const PairSet& pairs, FitOptions options) {
  const auto degrees =
      CrossValidateDegrees(pairs.pairs, MakeGroups(pairs.pairs), options, options.degree);
  if (static_cast<int>(degrees.size()) < options.degree) return;  // too few x: the fit will tell
  for (int degree = 1; degree < options.degree; ++degree) {
    const double lower = degrees[degree - 1].rmse;
    const double own = degrees[options.degree - 1].rmse;
    if (own > 1.05 * lower) {
      ThrowUserError("degree",
                     "must not predict worse than a lower one but degree {} has a cross-validated "
                     "error of {:.4g} and degree {} of {:.4g}",
                     options.degree,
                     own,
                     degree,
                     lower);
    }
  }
}

std::vector<double> MakeWeights(const PairSet& pairs, const std::string& kind) {
  if (kind == "none") return {};
  if (kind != "steps" && kind != "variance") {
    ThrowUserError("weights", "must be none, steps or variance but is \"{}\"", kind);
  }
  std::map<int, std::vector<double>> ys;
  for (const Pair& pair : pairs.pairs) ys[pair.call].push_back(pair.y);
  std::map<int, double> weight_of;
  for (const auto& [call, values] : ys) {
    if (kind == "steps") {
      weight_of[call] = 1 / static_cast<double>(values.size());
      continue;
    }
    const double mean = Mean(values);
    double variance = 0;
    for (double y : values) variance += (y - mean) * (y - mean);
    if (values.size() < 2 || !(variance > 0)) {
      ThrowUserError("weights",
                     "variance weights need y to vary at every call but call {} has {} pairs{}",
                     call,
                     values.size(),
                     values.size() > 1 ? " with the same y" : "");
    }
    weight_of[call] = static_cast<double>(values.size() - 1) / variance;
  }
  std::vector<double> weights;
  for (const Pair& pair : pairs.pairs) weights.push_back(weight_of[pair.call]);
  const double mean = Mean(weights);
  for (double& weight : weights) weight /= mean;
  return weights;
}

Diagnostics Diagnose(const PairSet& all,
                     const PairSet& fitted,
                     const FitOptions& options,
                     const FitSummary& fit,
                     const DiagnosticsOptions& diagnostics) {
  options.Validate();
  const std::vector<Pair>& pairs = fitted.pairs;
  if (pairs.empty()) ThrowUserError("diagnostics", "must have pairs but have none");
  Diagnostics d;
  d.all = Evaluate(fit.polynomial, all.pairs);
  d.window = Evaluate(fit.polynomial, pairs);
  const Groups groups = MakeGroups(pairs);
  d.groups = groups.name;
  d.num_groups = groups.count;

  const GroupedFit fits(pairs, groups, options);
  const std::vector<Polynomial> without = fits.LeaveOneOut();
  d.cv = Score(fmt::format("degree {}", options.degree), pairs, [&](size_t i) {
    return without[groups.of_pair[i]](pairs[i].x);
  });
  FitOptions plain;
  plain.degree = 0;
  d.baselines.push_back(CrossValidate("constant", pairs, groups, plain));
  plain.degree = 1;
  d.baselines.push_back(CrossValidate("line", pairs, groups, plain));
  d.baselines.push_back(CrossValidateSteps(pairs, groups));
  d.degrees = CrossValidateDegrees(pairs, groups, options, diagnostics.max_degree);

  const int resamples =
      options.robust() ? std::min(diagnostics.bootstrap, kRobustResamples) : diagnostics.bootstrap;
  Bootstrap(fits, groups.count, fit, groups.count > 1 ? resamples : 0, diagnostics, &d);
  if (fitted.calls > 0) {
    d.steps = DiagnoseSteps(pairs, options, fit);
    d.carrying_call = FindCarryingCall(d.steps, d.window.r2);
  }
  const int repeats =
      options.robust() ? std::min(5, diagnostics.learning_repeats) : diagnostics.learning_repeats;
  if (groups.name != "call") {
    d.learning = LearningCurve(fits, groups.count, repeats, diagnostics.seed);
    d.enough_prompts = EnoughPrompts(d.learning, groups.count);
  }
  if (fitted.calls > 0) d.drift = MeasureDrifts(fitted, fit.polynomial);
  d.negative = NegativeStretches(fit.polynomial, fit.x);
  d.decreasing = DecreasingStretches(fit.polynomial, fit.x);
  Judge(options, &d);
  return d;
}

std::string ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUse:
      return "use";
    case Verdict::kLineSuffices:
      return "line suffices";
    case Verdict::kUseSteps:
      return "use steps";
    case Verdict::kNoSignal:
      return "no signal";
  }
  return "use";
}

}  // namespace teacache
