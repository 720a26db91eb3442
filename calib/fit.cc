#include "calib/fit.h"

#include <ceres/ceres.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <utility>

#include "calib/least_squares.h"
#include "datasets/error.h"

namespace teacache {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Method = FitOptions::Method;
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int kMaxDegree = 12;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr int kCheckPoints = 10001;

// What is solved: min sum w_i rho((y_i - sum theta_k phi_k(x_i))^2), theta_k >= lower_k.
struct Problem {
  std::span<const double> xs;
  std::span<const double> ys;
  std::span<const double> weights;
  FitOptions options;
  Range x;
  Range y;
  Basis basis;
  VectorXd lower;  // empty = unconstrained

  double weight(size_t i) const { return weights.empty() ? 1.0 : weights[i]; }
};

Range Extent(std::span<const double> values) {
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

int NumCoefficients(int degree, bool through_origin) { return degree + (through_origin ? 0 : 1); }

Problem MakeProblem(std::span<const double> xs,
                    std::span<const double> ys,
                    const FitOptions& options,
                    std::span<const double> weights) {
  options.Validate();
  const int size = NumCoefficients(options.degree, options.through_origin);
  CheckData(xs, ys, weights, size);
  const Range x = Extent(xs);
  const Basis basis = MakeBasis(options, x);
  return {xs, ys, weights, options, x, Extent(ys), basis, MakeLowerBounds(options, 0)};
}

// d rho / d squared: what a pair counts for.
double RobustWeight(Method method, double squared, double a) {
  const double a2 = a * a;
  switch (method) {
    case Method::kHuber:
      return squared <= a2 ? 1 : a / std::sqrt(squared);
    case Method::kCauchy:
      return 1 / (1 + squared / a2);
    case Method::kTukey: {
      const double rest = squared > a2 ? 0 : 1 - squared / a2;
      return rest * rest;
    }
    default:
      return 1;
  }
}

// Width of the loss in standard deviations of the noise: 95 % efficiency for normal noise.
double Tuning(Method method) {
  switch (method) {
    case Method::kHuber:
      return 1.345;
    case Method::kCauchy:
      return 2.3849;
    case Method::kTukey:
      return 4.6851;
    default:
      return 0;
  }
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

double Median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + middle, values.end());
  return values[middle];
}

// Least squares of the chosen pairs with extra weights (empty = all 1).
LeastSquaresResult SolveWeighted(const Problem& problem,
                                 const std::vector<double>& extra,
                                 const VectorXd& lower) {
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
  if (lower.size() > 0) return SolveBounded(qr.Triangle(), lower);
  return SolveTriangle(qr.Triangle(), static_cast<double>(problem.xs.size()) * kEpsilon);
}

struct RobustStart {
  VectorXd theta;
  double scale = 0;
};

double ScaleOf(const Problem& problem, const VectorXd& theta) {
  std::vector<double> residuals = Residuals(problem, theta);
  for (double& r : residuals) r = std::fabs(r);
  const double n = static_cast<double>(residuals.size());
  const double correction = 1 + 5 / std::max(1.0, n - problem.basis.size());
  // Data without noise must not make the loss infinitely narrow.
  const double floor = 1e-9 * std::max(problem.y.width(), kEpsilon);
  return std::max(1.4826 * correction * Median(std::move(residuals)), floor);
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

// A fit that up to half of the pairs cannot spoil: least trimmed squares from many exact fits to
// few pairs, with a fixed seed.
RobustStart FindRobustStart(const Problem& problem) {
  constexpr int kTrials = 500;
  constexpr int kKept = 8;
  constexpr size_t kSample = 2000;
  const int size = problem.basis.size();
  std::mt19937_64 random(20241128);
  // Large data: the search looks at an evenly spaced part, the steps after it at all pairs.
  const size_t stride = std::max<size_t>(1, problem.xs.size() / kSample);
  std::vector<size_t> sample;
  for (size_t i = 0; i < problem.xs.size(); i += stride) sample.push_back(i);
  RowMajorMatrix phi(sample.size(), size);
  VectorXd y(sample.size());
  for (size_t i = 0; i < sample.size(); ++i) {
    problem.basis.Evaluate(problem.xs[sample[i]], phi.row(i).data());
    y[i] = problem.ys[sample[i]];
  }

  std::vector<std::pair<double, VectorXd>> best;
  for (int trial = 0; trial < kTrials; ++trial) {
    MatrixXd a(size, size);
    VectorXd b(size);
    for (int k = 0; k < size; ++k) {
      const size_t i = random() % sample.size();
      a.row(k) = phi.row(i);
      b[k] = y[i];
    }
    const Eigen::FullPivLU<MatrixXd> lu(a);
    if (!lu.isInvertible()) continue;
    VectorXd theta = lu.solve(b);
    const VectorXd residual = (y - phi * theta).cwiseAbs();
    best.emplace_back(Median({residual.data(), residual.data() + residual.size()}), theta);
  }
  const VectorXd plain = SolveWeighted(problem, {}, problem.lower).theta;
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
    const double sum = Concentrate(problem, 20, &theta);
    if (sum < lowest) {
      lowest = sum;
      start.theta = theta;
    }
  }
  if (start.theta.size() == 0) start.theta = plain;
  start.scale = ScaleOf(problem, start.theta);
  return start;
}

// All pairs as one linear residual block sqrt(w_i) (phi_i theta - y_i).
class AllPairsCost : public ceres::CostFunction {
 public:
  explicit AllPairsCost(const Problem& problem)
      : a_(problem.xs.size(), problem.basis.size()), b_(problem.xs.size()) {
    for (size_t i = 0; i < problem.xs.size(); ++i) {
      problem.basis.Evaluate(problem.xs[i], a_.row(i).data());
      const double root = std::sqrt(problem.weight(i));
      a_.row(i) *= root;
      b_[i] = root * problem.ys[i];
    }
    set_num_residuals(static_cast<int>(b_.size()));
    mutable_parameter_block_sizes()->push_back(problem.basis.size());
  }

  bool Evaluate(double const* const* parameters,
                double* residuals,
                double** jacobians) const override {
    const Eigen::Map<const VectorXd> theta(parameters[0], a_.cols());
    Eigen::Map<VectorXd>(residuals, b_.size()) = a_ * theta - b_;
    if (jacobians != nullptr && jacobians[0] != nullptr) {
      Eigen::Map<RowMajorMatrix>(jacobians[0], a_.rows(), a_.cols()) = a_;
    }
    return true;
  }

 private:
  RowMajorMatrix a_;
  VectorXd b_;
};

// One pair, so that a robust loss sees it alone.
class PairCost : public ceres::CostFunction {
 public:
  PairCost(const Basis& basis, double x, double y) : row_(basis.size()), y_(y) {
    basis.Evaluate(x, row_.data());
    set_num_residuals(1);
    mutable_parameter_block_sizes()->push_back(basis.size());
  }

  bool Evaluate(double const* const* parameters,
                double* residuals,
                double** jacobians) const override {
    residuals[0] = Eigen::Map<const VectorXd>(parameters[0], row_.size()).dot(row_) - y_;
    if (jacobians != nullptr && jacobians[0] != nullptr) {
      Eigen::Map<VectorXd>(jacobians[0], row_.size()) = row_;
    }
    return true;
  }

 private:
  VectorXd row_;
  double y_;
};

std::unique_ptr<ceres::LossFunction> MakeLoss(Method method, double width) {
  switch (method) {
    case Method::kHuber:
      return std::make_unique<ceres::HuberLoss>(width);
    case Method::kCauchy:
      return std::make_unique<ceres::CauchyLoss>(width);
    case Method::kTukey:
      return std::make_unique<ceres::TukeyLoss>(width);
    default:
      return nullptr;
  }
}

struct Solution {
  VectorXd theta;
  bool converged = false;
  std::string status = "ok";
  double scale = 0;
  int iterations = 0;
};

// How far theta is from the optimum: the largest component of the gradient that the bounds let
// through, relative to the size of its terms.
double OptimalityGap(const Problem& problem,
                     const VectorXd& lower,
                     double width,
                     const VectorXd& theta) {
  VectorXd gradient = VectorXd::Zero(theta.size());
  VectorXd size = VectorXd::Zero(theta.size());
  VectorXd row(theta.size());
  for (size_t i = 0; i < problem.xs.size(); ++i) {
    problem.basis.Evaluate(problem.xs[i], row.data());
    const double r = row.dot(theta) - problem.ys[i];
    const double w = problem.weight(i) * RobustWeight(problem.options.method, r * r, width);
    gradient += w * r * row;
    size += w * std::fabs(problem.ys[i]) * row.cwiseAbs();
  }
  double gap = 0;
  for (int k = 0; k < theta.size(); ++k) {
    const bool at_bound = lower.size() > 0 && theta[k] <= lower[k] + 1e-12 * problem.y.width();
    const double open = at_bound ? std::max(0.0, -gradient[k]) : std::fabs(gradient[k]);
    gap = std::max(gap, open / std::max(size[k], std::numeric_limits<double>::min()));
  }
  return gap;
}

ceres::Solver::Options SolverOptions(bool bounded) {
  ceres::Solver::Options options;
  options.linear_solver_type = ceres::DENSE_QR;
  options.logging_type = ceres::SILENT;
  options.max_num_iterations = bounded ? 2000 : 500;
  // A linear problem: full steps, and no stop before rounding decides. Bounds need shorter ones,
  // since a full step that is cut at the bounds need not be a descent.
  if (!bounded) {
    options.initial_trust_region_radius = 1e16;
    options.max_trust_region_radius = 1e20;
  }
  options.function_tolerance = 1e-16;
  options.gradient_tolerance = 1e-16;
  options.parameter_tolerance = 1e-14;
  return options;
}

Solution SolveDirect(const Problem& problem, const VectorXd& lower, const FitSummary* start);

Solution SolveCeres(const Problem& problem, const VectorXd& lower) {
  constexpr double kGap = 1e-9;
  const Method method = problem.options.method;
  Solution solution;
  solution.theta = VectorXd::Zero(problem.basis.size());
  std::unique_ptr<ceres::LossFunction> loss;
  double width = 0;
  if (problem.options.robust()) {
    const RobustStart start = FindRobustStart(problem);
    solution.theta = start.theta;
    solution.scale = start.scale;
    width = Tuning(method) * start.scale;
    loss = MakeLoss(method, width);
  }
  if (lower.size() > 0) solution.theta = solution.theta.cwiseMax(lower);

  ceres::Problem::Options ownership;
  ownership.loss_function_ownership = ceres::DO_NOT_TAKE_OWNERSHIP;
  ceres::Problem ceres_problem(ownership);
  std::vector<std::unique_ptr<ceres::LossFunction>> losses;
  if (loss == nullptr) {
    ceres_problem.AddResidualBlock(new AllPairsCost(problem), nullptr, solution.theta.data());
  } else {
    for (size_t i = 0; i < problem.xs.size(); ++i) {
      ceres::LossFunction* pair_loss = loss.get();
      if (problem.weight(i) == 0) continue;
      if (problem.weight(i) != 1) {
        losses.push_back(std::make_unique<ceres::ScaledLoss>(
            loss.get(), problem.weight(i), ceres::DO_NOT_TAKE_OWNERSHIP));
        pair_loss = losses.back().get();
      }
      ceres_problem.AddResidualBlock(new PairCost(problem.basis, problem.xs[i], problem.ys[i]),
                                     pair_loss,
                                     solution.theta.data());
    }
  }
  for (int k = 0; k < lower.size(); ++k) {
    if (std::isfinite(lower[k])) {
      ceres_problem.SetParameterLowerBound(solution.theta.data(), k, lower[k]);
    }
  }
  const ceres::Solver::Options options = SolverOptions(lower.size() > 0);
  ceres::Solver::Summary summary;
  ceres::Solve(options, &ceres_problem, &summary);
  solution.iterations = static_cast<int>(summary.iterations.size());
  double gap = OptimalityGap(problem, lower, width, solution.theta);
  if (lower.size() > 0 && !(gap <= kGap)) {
    // Stuck between bounds: begin again from the answer of the active-set method.
    solution.theta = SolveDirect(problem, lower, nullptr).theta.cwiseMax(lower);
    ceres::Solve(options, &ceres_problem, &summary);
    solution.iterations += static_cast<int>(summary.iterations.size());
    gap = OptimalityGap(problem, lower, width, solution.theta);
  }
  // The tolerances are below rounding, so "no further progress" is an end too: the gradient
  // decides.
  solution.converged = summary.IsSolutionUsable() && gap <= 1e-6;
  if (!solution.converged) {
    solution.status = fmt::format("not converged (gradient {:.1g}): {}", gap, summary.message);
  }
  return solution;
}

// Iteratively reweighted least squares from the robust start.
Solution SolveDirect(const Problem& problem, const VectorXd& lower, const FitSummary* start) {
  const Method method = problem.options.method;
  Solution solution;
  if (!problem.options.robust()) {
    solution.theta = SolveWeighted(problem, {}, lower).theta;
    solution.converged = true;
    return solution;
  }
  std::vector<double> residuals(problem.xs.size());
  if (start != nullptr) {
    for (size_t i = 0; i < residuals.size(); ++i) {
      residuals[i] = problem.ys[i] - start->polynomial(problem.xs[i]);
    }
    solution.scale = start->scale;
  } else {
    const RobustStart found = FindRobustStart(problem);
    solution.scale = found.scale;
    residuals = Residuals(problem, found.theta);
  }
  const double width = Tuning(method) * solution.scale;
  std::vector<double> extra(residuals.size());
  for (solution.iterations = 1; solution.iterations <= 1000; ++solution.iterations) {
    for (size_t i = 0; i < extra.size(); ++i) {
      extra[i] = RobustWeight(method, residuals[i] * residuals[i], width);
    }
    const VectorXd next = SolveWeighted(problem, extra, lower).theta;
    const double change = solution.theta.size() == 0
                              ? std::numeric_limits<double>::infinity()
                              : (next - solution.theta).cwiseAbs().maxCoeff();
    solution.theta = next;
    if (change <= 1e-13 * next.cwiseAbs().maxCoeff()) {
      solution.converged = true;
      break;
    }
    residuals = Residuals(problem, next);
  }
  if (!solution.converged) solution.status = "no convergence in 1000 reweightings";
  return solution;
}

// Whether the exported polynomial keeps the constraints at 10,001 points, evaluated as engines do.
bool KeepsConstraints(const Polynomial& f, const FitOptions& options, const Range& range) {
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
                      const Range& range) {
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
FitSummary SolveConstrained(Problem* problem, const Solver& solver) {
  const FitOptions& options = problem->options;
  const Range range =
      options.range.value_or(Range{options.through_origin ? 0 : problem->x.lo, problem->x.hi});
  FitSummary summary;
  // Zero slopes and values become tiny positive ones until rounding no longer shows.
  const double unit = std::max(std::fabs(problem->y.lo), std::fabs(problem->y.hi)) + kEpsilon;
  double margin = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const VectorXd lower = MakeLowerBounds(options, margin);
    const Solution solution = solver(*problem, lower);
    summary.polynomial = Polynomial(problem->basis.ToPower(solution.theta));
    summary.converged = solution.converged;
    summary.status = solution.status;
    summary.scale = solution.scale;
    summary.iterations = solution.iterations;
    summary.round_trip_error = RoundTripError(*problem, solution.theta, summary.polynomial, range);
    if (!options.constrained() || KeepsConstraints(summary.polynomial, options, range)) {
      if (!options.constrained()) summary.round_trip_error = 0;
      break;
    }
    margin = margin == 0 ? 1e-15 * unit : margin * 10;
    summary.converged = false;
    summary.status = "constraints are lost to rounding when the polynomial is exported";
  }
  const LeastSquaresResult plain = SolveWeighted(*problem, {}, {});
  summary.rank = plain.rank;
  summary.condition_number = plain.condition_number;
  if (options.robust()) {
    const double width = Tuning(options.method) * summary.scale;
    for (size_t i = 0; i < problem->xs.size(); ++i) {
      const double r = problem->ys[i] - summary.polynomial(problem->xs[i]);
      if (RobustWeight(options.method, r * r, width) < 0.5) ++summary.outliers;
    }
  }
  FillQuality(*problem, &summary);
  return summary;
}

}  // namespace

Basis MakeBasis(const FitOptions& options, const Range& x) {
  if (!options.constrained()) {
    // Shifting would lose f(0) = 0, scaling alone keeps it.
    const auto kind = options.through_origin ? Basis::Kind::kPower : Basis::Kind::kChebyshev;
    return Basis(kind, options.degree, x, options.through_origin);
  }
  const Range range = options.range.value_or(Range{options.through_origin ? 0 : x.lo, x.hi});
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
  Problem problem = MakeProblem(xs, ys, options, weights);
  // numpy solves in powers of x.
  problem.basis = Basis(Basis::Kind::kPower, degree, problem.x, through_origin);
  const LeastSquaresResult result = SolveWeighted(problem, {}, {});
  FitSummary summary;
  summary.polynomial = Polynomial(problem.basis.ToPower(result.theta));
  summary.converged = true;
  summary.rank = result.rank;
  summary.condition_number = result.condition_number;
  summary.status = result.rank == problem.basis.size()
                       ? "ok"
                       : fmt::format("rank {} of {}: x cannot tell the coefficients apart",
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
  Problem problem = MakeProblem(xs, ys, options, weights);
  return SolveConstrained(&problem, SolveCeres);
}

FitSummary FitPolynomialDirect(std::span<const double> xs,
                               std::span<const double> ys,
                               const FitOptions& options,
                               std::span<const double> weights,
                               const FitSummary* start) {
  Problem problem = MakeProblem(xs, ys, options, weights);
  return SolveConstrained(&problem, [start](const Problem& p, const VectorXd& lower) {
    return SolveDirect(p, lower, start);
  });
}

std::string ToString(FitOptions::Method method) {
  switch (method) {
    case Method::kPolyfit:
      return "polyfit";
    case Method::kCeres:
      return "ceres";
    case Method::kHuber:
      return "huber";
    case Method::kCauchy:
      return "cauchy";
    case Method::kTukey:
      return "tukey";
  }
  return "polyfit";
}

FitOptions::Method ParseMethod(const std::string& text) {
  for (Method method :
       {Method::kPolyfit, Method::kCeres, Method::kHuber, Method::kCauchy, Method::kTukey}) {
    if (text == ToString(method)) return method;
  }
  ThrowUserError("method", "must be polyfit, ceres, huber, cauchy or tukey but is \"{}\"", text);
}

}  // namespace teacache
