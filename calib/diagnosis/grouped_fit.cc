#include "calib/diagnosis/grouped_fit.h"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "calib/diagnosis/robust_resampler.h"
#include "calib/fit/fit_direct.h"

namespace teacache {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

Interval ObservedX(const std::vector<Pair>& pairs) {
  Interval range = {pairs.front().x, pairs.front().x};
  for (const Pair& pair : pairs) {
    range.lo = std::min(range.lo, pair.x);
    range.hi = std::max(range.hi, pair.x);
  }
  return range;
}

void Append(const MatrixXd& triangle, double factor, QrAccumulator* qr) {
  std::vector<double> row(triangle.cols());
  for (int i = 0; i < triangle.rows(); ++i) {
    for (int k = 0; k < triangle.cols(); ++k) row[k] = factor * triangle(i, k);
    qr->Add(row.data());
  }
}

MatrixXd Join(const MatrixXd& a, const MatrixXd& b) {
  QrAccumulator qr(static_cast<int>(a.cols()) - 1);
  Append(a, 1, &qr);
  Append(b, 1, &qr);
  return qr.Triangle();
}

}  // namespace

Groups MakeGroups(const std::vector<Pair>& pairs) {
  Groups groups = GroupBy("prompt", pairs, [](const Pair& p) { return p.prompt; });
  if (groups.count > 1) return groups;
  groups = GroupBy("run", pairs, [](const Pair& p) { return p.seed; });
  if (groups.count > 1) return groups;
  return GroupBy("call", pairs, [](const Pair& p) { return p.call % 10; });
}

GroupedFit::GroupedFit(const std::vector<Pair>& pairs,
                       const Groups& groups,
                       const FitOptions& options,
                       const FitSummary* start)
    : pairs_(pairs),
      groups_(groups),
      options_(options),
      basis_(MakeBasis(options, ObservedX(pairs))),
      lower_(MakeLowerBounds(options, 0)),
      sums_(groups.count),
      members_(groups.count) {
  for (size_t i = 0; i < pairs.size(); ++i) {
    members_[groups.of_pair[i]].push_back(i);
    Sums& sums = sums_[groups.of_pair[i]];
    sums.n += 1;
    sums.y += pairs[i].y;
    sums.yy += pairs[i].y * pairs[i].y;
  }
  const bool weighted =
      std::any_of(pairs.begin(), pairs.end(), [](const Pair& pair) { return pair.weight != 1; });
  triangles_ = ReduceGroups(true);
  if (!options.robust()) {
    if (weighted) plain_triangles_ = ReduceGroups(false);
    return;
  }
  // Group after group, as the resampler takes them.
  std::vector<double> xs, ys, weights;
  std::vector<Eigen::Index> begins = {0};
  for (const std::vector<size_t>& group : members_) {
    for (const size_t i : group) {
      xs.push_back(pairs[i].x);
      ys.push_back(pairs[i].y);
      if (weighted) weights.push_back(pairs[i].weight);
    }
    begins.push_back(std::ssize(xs));
  }
  const Problem problem = MakeProblem(xs, ys, options, weights);
  FitSummary own;
  if (start == nullptr) {
    const Solution solution = SolveDirect(problem, lower_, nullptr);
    own.polynomial = Polynomial(problem.basis.ToPower(solution.theta));
    own.scale = solution.scale;
    start = &own;
  }
  robust_ = std::make_unique<RobustResampler>(problem, std::move(begins), *start);
}

GroupedFit::~GroupedFit() = default;

GroupedFit::Fit GroupedFit::Solve(const std::vector<int>& counts) const {
  Fit fit = robust_ ? SolveRobust(counts) : SolveStack(Stack(counts));
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

std::vector<Polynomial> GroupedFit::LeaveOneOut() const {
  std::vector<Polynomial> fits;
  if (robust_) {
    std::vector<int> counts(groups_.count, 1);
    for (int g = 0; g < groups_.count; ++g) {
      counts[g] = 0;
      fits.push_back(SolveRobust(counts).polynomial);
      counts[g] = 1;
    }
    return fits;
  }
  // The triangles of the groups before and after are shared, so that the work grows with the number
  // of groups, not with its square.
  const int size = basis_.size();
  std::vector<MatrixXd> after(groups_.count + 1, MatrixXd::Zero(size + 1, size + 1));
  for (int g = groups_.count - 1; g >= 0; --g) after[g] = Join(after[g + 1], triangles_[g]);
  MatrixXd before = MatrixXd::Zero(size + 1, size + 1);
  for (int g = 0; g < groups_.count; ++g) {
    fits.push_back(SolveStack(Join(before, after[g + 1])).polynomial);
    before = Join(before, triangles_[g]);
  }
  return fits;
}

double GroupedFit::Sse(const Fit& fit, int group) const {
  if (!robust_) {
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

std::vector<double> GroupedFit::Leverages() const {
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

std::vector<MatrixXd> GroupedFit::ReduceGroups(bool weighted) const {
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

MatrixXd GroupedFit::Stack(const std::vector<int>& counts) const {
  QrAccumulator qr(basis_.size());
  for (int g = 0; g < groups_.count; ++g) {
    if (counts[g] > 0) Append(triangles_[g], std::sqrt(counts[g]), &qr);
  }
  return qr.Triangle();
}

GroupedFit::Fit GroupedFit::SolveStack(const MatrixXd& triangle) const {
  const double rcond = static_cast<double>(pairs_.size()) * kEpsilon;
  Fit fit;
  fit.theta =
      lower_.size() > 0 ? MinimizeBounded(triangle, lower_) : SolveTriangle(triangle, rcond).theta;
  fit.polynomial = Polynomial(basis_.ToPower(fit.theta));
  return fit;
}

GroupedFit::Fit GroupedFit::SolveRobust(const std::vector<int>& counts) const {
  Fit fit;
  fit.theta = robust_->Solve(counts);
  fit.polynomial = Polynomial(basis_.ToPower(fit.theta));
  return fit;
}

}  // namespace teacache
