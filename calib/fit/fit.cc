#include "calib/fit/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "calib/fit/fit_ceres.h"
#include "calib/fit/fit_direct.h"
#include "calib/fit/fit_problem.h"
#include "calib/fit/robust_loss.h"
#include "datasets/base/error.h"

namespace teacache {
namespace {

using Eigen::VectorXd;
using Method = FitOptions::Method;

constexpr int kMaxDegree = 12;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr int kCheckPoints = 10001;

// Whether the exported polynomial keeps the constraints at 10,001 points, evaluated as engines do.
bool KeepsConstraints(const Polynomial& f, const FitOptions& options, const Interval& range) {
  double previous = -std::numeric_limits<double>::infinity();
  for (int i = 0; i < kCheckPoints; ++i) {
    const double value = f(range.lo + range.width() * i / (kCheckPoints - 1));
    if (options.non_negative && value < 0) return false;
    if (options.monotone && value < previous) return false;
    previous = value;
  }
  return true;
}

double RoundTripError(const Problem& problem,
                      const VectorXd& theta,
                      const Polynomial& f,
                      const Interval& range) {
  VectorXd row(problem.basis.size());
  double worst = 0;
  for (int i = 0; i < kCheckPoints; ++i) {
    const double x = range.lo + range.width() * i / (kCheckPoints - 1);
    problem.basis.Evaluate(x, row.data());
    worst = std::max(worst, std::fabs(row.dot(theta) - f(x)));
  }
  return worst;
}

void FillQuality(const Problem& problem, FitSummary* summary) {
  summary->method = problem.options.method;
  summary->n = static_cast<int64_t>(problem.xs.size());
  summary->x = problem.x;
  summary->y = problem.y;
  double sse = 0;
  for (size_t i = 0; i < problem.xs.size(); ++i) {
    const double r = problem.ys[i] - summary->polynomial(problem.xs[i]);
    sse += r * r;
  }
  summary->rmse = std::sqrt(sse / static_cast<double>(summary->n));
  summary->r2 = RSquared(summary->polynomial, problem.xs, problem.ys);
}

template <typename Solver>
FitSummary Solve(const Problem& problem, const Solver& solver) {
  const FitOptions& options = problem.options;
  const Interval range =
      options.range.value_or(Interval{options.through_origin ? 0 : problem.x.lo, problem.x.hi});
  FitSummary summary;
  // Zero slopes and values become tiny positive ones until rounding no longer shows.
  const double unit = std::max(std::fabs(problem.y.lo), std::fabs(problem.y.hi)) + kEpsilon;
  double margin = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const VectorXd lower = MakeLowerBounds(options, margin);
    const Solution solution = solver(problem, lower);
    summary.polynomial = Polynomial(problem.basis.ToPower(solution.theta));
    summary.converged = solution.converged;
    summary.status = solution.status;
    summary.scale = solution.scale;
    summary.iterations = solution.iterations;
    if (!options.constrained()) break;
    summary.round_trip_error = RoundTripError(problem, solution.theta, summary.polynomial, range);
    if (KeepsConstraints(summary.polynomial, options, range)) break;
    margin = margin == 0 ? 1e-15 * unit : margin * 10;
    summary.converged = false;
    summary.status = "constraints are lost to rounding when the polynomial is exported";
  }
  const LeastSquaresResult plain = SolveWeighted(problem, {}, {});
  summary.rank = plain.rank;
  summary.condition_number = plain.condition_number;
  if (options.robust()) {
    const RobustLoss loss(options.method, summary.scale);
    for (size_t i = 0; i < problem.xs.size(); ++i) {
      const double r = problem.ys[i] - summary.polynomial(problem.xs[i]);
      double rho[3];
      loss.Evaluate(r * r, rho);
      if (rho[1] < 0.5) ++summary.outliers;
    }
  }
  FillQuality(problem, &summary);
  return summary;
}

}  // namespace

void FitOptions::Validate() const {
  const int lowest = through_origin ? 1 : 0;
  if (degree < lowest || degree > kMaxDegree) {
    ThrowUserError("fit", "degree must be between {} and {} but is {}", lowest, kMaxDegree, degree);
  }
  if (!range) return;
  if (!std::isfinite(range->lo) || !std::isfinite(range->hi) || !(range->lo < range->hi)) {
    ThrowUserError(
        "fit", "range must be [lo, hi] with lo < hi but is [{}, {}]", range->lo, range->hi);
  }
  if (through_origin && range->lo != 0) {
    ThrowUserError(
        "fit", "range must begin at 0 for a fit through the origin but begins at {}", range->lo);
  }
}

std::string FitSummary::BriefReport() const {
  std::string report = fmt::format(
      "{} degree {}: {} pairs, x in [{:.6g}, {:.6g}], R2 {:.4f}, RMSE {:.4g}, condition number "
      "{:.2g}",
      ToString(method),
      polynomial.degree(),
      n,
      x.lo,
      x.hi,
      r2,
      rmse,
      condition_number);
  if (scale > 0) report += fmt::format(", noise {:.4g}, {} outliers", scale, outliers);
  if (status != "ok") report += ", " + status;
  return report;
}

double RSquared(const Polynomial& f, std::span<const double> xs, std::span<const double> ys) {
  double mean = 0;
  for (double y : ys) mean += y;
  mean /= static_cast<double>(ys.size());
  double sse = 0;
  double sst = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    const double r = ys[i] - f(xs[i]);
    sse += r * r;
    sst += (ys[i] - mean) * (ys[i] - mean);
  }
  return sst > 0 ? 1 - sse / sst : 0;
}

FitSummary FitPolynomialQr(std::span<const double> xs,
                           std::span<const double> ys,
                           int degree,
                           std::span<const double> weights,
                           bool through_origin) {
  FitOptions options;
  options.degree = degree;
  options.through_origin = through_origin;
  // numpy solves in powers of x, which have no range.
  const Problem problem =
      MakeProblem(xs, ys, options, weights, Basis(Basis::Kind::kPower, degree, {}, through_origin));
  const LeastSquaresResult result = SolveWeighted(problem, {}, {});
  FitSummary summary;
  summary.polynomial = Polynomial(problem.basis.ToPower(result.theta));
  summary.converged = true;
  summary.rank = result.rank;
  summary.condition_number = result.condition_number;
  summary.status = result.rank == problem.basis.size()
                       ? "ok"
                       : fmt::format("rank {} of {}: x does not determine all coefficients",
                                     result.rank,
                                     problem.basis.size());
  FillQuality(problem, &summary);
  return summary;
}

FitSummary FitPolynomial(std::span<const double> xs,
                         std::span<const double> ys,
                         const FitOptions& options,
                         std::span<const double> weights) {
  if (options.method == Method::kPolyfit && !options.constrained()) {
    options.Validate();
    return FitPolynomialQr(xs, ys, options.degree, weights, options.through_origin);
  }
  const Problem problem = MakeProblem(xs, ys, options, weights);
  return Solve(problem, SolveCeres);
}

FitSummary FitPolynomialDirect(std::span<const double> xs,
                               std::span<const double> ys,
                               const FitOptions& options,
                               std::span<const double> weights,
                               const FitSummary* start) {
  const Problem problem = MakeProblem(xs, ys, options, weights);
  return Solve(problem, [start](const Problem& p, const VectorXd& lower) {
    return SolveDirect(p, lower, start);
  });
}

std::string ToString(FitOptions::Method method) { return std::string(NameOf(kFitMethods, method)); }

}  // namespace teacache
