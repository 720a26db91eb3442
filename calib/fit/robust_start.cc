#include "calib/fit/robust_start.h"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "datasets/base/statistics.h"

namespace teacache {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

double ScaleOf(const Problem& problem, const VectorXd& theta) {
  std::vector<double> residuals = Residuals(problem, theta);
  for (double& r : residuals) r = std::fabs(r);
  const double n = static_cast<double>(residuals.size());
  const double correction = 1 + 5 / std::max(1.0, n - problem.basis.size());
  // Data without noise must not make the loss infinitely narrow.
  const double floor = 1e-9 * std::max(problem.y.width(), kEpsilon);
  return std::max(1.4826 * correction * MedianHigh(std::move(residuals)), floor);
}

// Keeps the half of the pairs that fits best, again and again: the concentration steps of FAST-LTS
// (Rousseeuw and Van Driessen 2006). Returns the sum of the kept squared residuals.
double Concentrate(const Problem& problem, int steps, VectorXd* theta) {
  const size_t n = problem.xs.size();
  const size_t half = (n + problem.basis.size() + 1) / 2;
  std::vector<double> keep(n);
  double previous = std::numeric_limits<double>::infinity();
  for (int step = 0; step < steps; ++step) {
    std::vector<double> squared = Residuals(problem, *theta);
    for (double& r : squared) r *= r;
    std::vector<double> sorted = squared;
    std::nth_element(sorted.begin(), sorted.begin() + (half - 1), sorted.end());
    const double cut = sorted[half - 1];
    const double sum = std::accumulate(sorted.begin(), sorted.begin() + half, 0.0);
    if (!(sum < previous * (1 - 1e-12))) break;
    previous = sum;
    for (size_t i = 0; i < n; ++i) keep[i] = squared[i] <= cut ? 1 : 0;
    *theta = SolveWeighted(problem, keep, problem.lower).theta;
  }
  return previous;
}

// The pairs among which a start is searched: all, or of large data a random part.
struct Sample {
  bool all = true;
  std::vector<double> xs;
  std::vector<double> ys;
  std::vector<double> weights;

  Problem Part(const Problem& problem) const {
    Problem part = problem;
    if (all) return part;
    part.xs = xs;
    part.ys = ys;
    part.weights = weights;
    part.triangle = ReduceWeighted(part, {});
    return part;
  }
};

Sample MakeSample(const Problem& problem, std::mt19937_64* random) {
  constexpr size_t kMost = 4000;
  Sample sample;
  sample.all = problem.xs.size() <= kMost;
  if (sample.all) return sample;
  for (size_t k = 0; k < kMost; ++k) {
    const size_t i = (*random)() % problem.xs.size();
    sample.xs.push_back(problem.xs[i]);
    sample.ys.push_back(problem.ys[i]);
    if (!problem.weights.empty()) sample.weights.push_back(problem.weights[i]);
  }
  return sample;
}

}  // namespace

RobustStart FindRobustStart(const Problem& problem) {
  constexpr int kTrials = 500;
  constexpr int kKept = 8;
  const int size = problem.basis.size();
  std::mt19937_64 random(20241128);
  const Sample sample = MakeSample(problem, &random);
  const Problem part = sample.Part(problem);
  RowMajorMatrix phi(part.xs.size(), size);
  const Eigen::Map<const VectorXd> y(part.ys.data(), static_cast<Eigen::Index>(part.ys.size()));
  for (size_t i = 0; i < part.xs.size(); ++i) part.basis.Evaluate(part.xs[i], phi.row(i).data());

  std::vector<std::pair<double, VectorXd>> best;
  for (int trial = 0; trial < kTrials; ++trial) {
    MatrixXd a(size, size);
    VectorXd b(size);
    for (int k = 0; k < size; ++k) {
      const size_t i = random() % part.xs.size();
      a.row(k) = phi.row(i);
      b[k] = y[i];
    }
    const Eigen::FullPivLU<MatrixXd> lu(a);
    if (!lu.isInvertible()) continue;
    VectorXd theta = lu.solve(b);
    const VectorXd residual = (y - phi * theta).cwiseAbs();
    best.emplace_back(MedianHigh({residual.data(), residual.data() + residual.size()}), theta);
  }
  const VectorXd plain = SolveWeighted(part, {}, problem.lower).theta;
  const size_t kept = std::min<size_t>(kKept, best.size());
  std::partial_sort(
      best.begin(), best.begin() + kept, best.end(), [](const auto& a, const auto& b) {
        return a.first < b.first;
      });
  best.resize(kept);
  best.emplace_back(0, plain);

  RobustStart start;
  double lowest = std::numeric_limits<double>::infinity();
  for (auto& [median, theta] : best) {
    const double sum = Concentrate(part, 20, &theta);
    if (sum < lowest) {
      lowest = sum;
      start.theta = theta;
    }
  }
  if (start.theta.size() == 0) start.theta = plain;
  if (part.xs.size() < problem.xs.size()) Concentrate(problem, 1, &start.theta);
  start.scale = ScaleOf(problem, start.theta);
  return start;
}

}  // namespace teacache
