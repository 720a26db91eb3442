#include "calib/fit/fit_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using Eigen::VectorXd;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

Interval Extent(std::span<const double> values) {
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  return {*lo, *hi};
}

// Whether there are at least `wanted` different values.
bool HasDifferent(std::span<const double> values, int wanted) {
  std::vector<double> seen;
  for (double value : values) {
    if (std::find(seen.begin(), seen.end(), value) != seen.end()) continue;
    seen.push_back(value);
    if (static_cast<int>(seen.size()) >= wanted) return true;
  }
  return false;
}

void CheckData(std::span<const double> xs,
               std::span<const double> ys,
               std::span<const double> weights,
               int coefficients) {
  if (xs.size() != ys.size() || (!weights.empty() && weights.size() != xs.size())) {
    ThrowUserError("fit",
                   "x, y and weights must have the same length but have {}, {} and {}",
                   xs.size(),
                   ys.size(),
                   weights.size());
  }
  if (xs.size() < static_cast<size_t>(coefficients) || xs.empty()) {
    ThrowUserError("fit",
                   "pairs must be at least as many as coefficients ({}) but are {}",
                   coefficients,
                   xs.size());
  }
  for (size_t i = 0; i < xs.size(); ++i) {
    if (!std::isfinite(xs[i]) || !std::isfinite(ys[i])) {
      ThrowUserError("fit", "pairs must be finite but pair {} is ({}, {})", i, xs[i], ys[i]);
    }
    if (!weights.empty() && !(weights[i] >= 0 && std::isfinite(weights[i]))) {
      ThrowUserError("fit", "weights must be finite and >= 0 but weight {} is {}", i, weights[i]);
    }
  }
  const auto used = [&](size_t i) { return weights.empty() || weights[i] > 0; };
  std::vector<double> weighted;
  if (!weights.empty()) {
    for (size_t i = 0; i < xs.size(); ++i) {
      if (used(i)) weighted.push_back(xs[i]);
    }
  }
  if (!HasDifferent(weights.empty() ? xs : std::span<const double>(weighted), coefficients)) {
    ThrowUserError("fit",
                   "x must take at least {} different values but takes fewer (x in [{}, {}])",
                   coefficients,
                   Extent(xs).lo,
                   Extent(xs).hi);
  }
}

}  // namespace

int NumCoefficients(int degree, bool through_origin) { return degree + (through_origin ? 0 : 1); }

Problem MakeProblem(std::span<const double> xs,
                    std::span<const double> ys,
                    const FitOptions& options,
                    std::span<const double> weights,
                    const std::optional<Basis>& basis) {
  options.Validate();
  const int size = NumCoefficients(options.degree, options.through_origin);
  CheckData(xs, ys, weights, size);
  const Interval x = Extent(xs);
  Problem problem{xs,
                  ys,
                  weights,
                  options,
                  x,
                  Extent(ys),
                  basis.value_or(MakeBasis(options, x)),
                  MakeLowerBounds(options, 0),
                  {}};
  problem.triangle = ReduceWeighted(problem, {});
  return problem;
}

std::vector<double> Residuals(const Problem& problem, const VectorXd& theta) {
  std::vector<double> residuals(problem.xs.size());
  VectorXd row(problem.basis.size());
  for (size_t i = 0; i < residuals.size(); ++i) {
    problem.basis.Evaluate(problem.xs[i], row.data());
    residuals[i] = problem.ys[i] - row.dot(theta);
  }
  return residuals;
}

Eigen::MatrixXd ReduceWeighted(const Problem& problem, const std::vector<double>& extra) {
  const int size = problem.basis.size();
  QrAccumulator qr(size);
  std::vector<double> row(size + 1);
  for (size_t i = 0; i < problem.xs.size(); ++i) {
    const double w = problem.weight(i) * (extra.empty() ? 1.0 : extra[i]);
    if (w == 0) continue;
    problem.basis.Evaluate(problem.xs[i], row.data());
    row[size] = problem.ys[i];
    if (w != 1) {
      const double root = std::sqrt(w);
      for (double& value : row) value *= root;
    }
    qr.Add(row.data());
  }
  return qr.Triangle();
}

LeastSquaresResult SolveWeighted(const Problem& problem,
                                 const std::vector<double>& extra,
                                 const VectorXd& lower) {
  const Eigen::MatrixXd triangle =
      extra.empty() ? problem.triangle : ReduceWeighted(problem, extra);
  if (lower.size() > 0) return SolveBounded(triangle, lower);
  return SolveTriangle(triangle, static_cast<double>(problem.xs.size()) * kEpsilon);
}

Basis MakeBasis(const FitOptions& options, const Interval& x) {
  if (!options.constrained()) {
    // Shifting would lose f(0) = 0, scaling alone keeps it.
    const auto kind = options.through_origin ? Basis::Kind::kPower : Basis::Kind::kChebyshev;
    return Basis(kind, options.degree, x, options.through_origin);
  }
  const Interval range = options.range.value_or(Interval{options.through_origin ? 0 : x.lo, x.hi});
  const auto kind = options.monotone ? Basis::Kind::kCumulativeBernstein : Basis::Kind::kBernstein;
  return Basis(kind, options.degree, range, options.through_origin);
}

VectorXd MakeLowerBounds(const FitOptions& options, double margin) {
  if (!options.constrained()) return {};
  const int size = NumCoefficients(options.degree, options.through_origin);
  VectorXd lower = VectorXd::Constant(size, margin);
  // Monotone only: the value at the range's lower end is free.
  if (!options.non_negative && !options.through_origin) {
    lower[0] = -std::numeric_limits<double>::infinity();
  }
  return lower;
}

}  // namespace teacache
