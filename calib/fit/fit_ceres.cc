#include "calib/fit/fit_ceres.h"

#include <ceres/ceres.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "calib/fit/fit_direct.h"
#include "calib/fit/robust_cost.h"
#include "calib/fit/robust_loss.h"
#include "calib/fit/robust_start.h"

namespace teacache {
namespace {

using Eigen::VectorXd;
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Least squares after reducing the pairs to a triangle by orthogonal transformations: as many
// residuals as coefficients, and the rest, which no coefficients change. Ceres' own way, a residual
// for every pair, finds the same minimum (robust_cost_test.cc).
class TriangleCost : public ceres::CostFunction {
 public:
  explicit TriangleCost(Eigen::MatrixXd triangle) : triangle_(std::move(triangle)) {
    set_num_residuals(static_cast<int>(triangle_.rows()));
    mutable_parameter_block_sizes()->push_back(static_cast<int>(triangle_.cols()) - 1);
  }

  bool Evaluate(double const* const* parameters,
                double* residuals,
                double** jacobians) const override {
    const Eigen::Index size = triangle_.cols() - 1;
    const Eigen::Map<const VectorXd> theta(parameters[0], size);
    Eigen::Map<VectorXd>(residuals, size + 1) =
        triangle_.leftCols(size) * theta - triangle_.col(size);
    if (jacobians != nullptr && jacobians[0] != nullptr) {
      Eigen::Map<RowMajorMatrix>(jacobians[0], size + 1, size) = triangle_.leftCols(size);
    }
    return true;
  }

 private:
  Eigen::MatrixXd triangle_;
};

// All pairs under a robust loss as size + 1 residuals: the model's, and the rest of the cost, whose
// derivative the model has taken over. Cost and gradient are exact. Ceres' own way, a residual
// block with the same ceres::LossFunction for every pair, finds the same minimum
// (robust_cost_test.cc) in thirty times the time.
class RobustPairsCost : public ceres::CostFunction {
 public:
  RobustPairsCost(const RobustCost& cost, int size) : cost_(cost), size_(size) {
    set_num_residuals(size + 1);
    mutable_parameter_block_sizes()->push_back(size);
  }

  bool Evaluate(double const* const* parameters,
                double* residuals,
                double** jacobians) const override {
    const Eigen::Map<const VectorXd> theta(parameters[0], size_);
    Eigen::Map<VectorXd> f(residuals, size_ + 1);
    if (jacobians == nullptr || jacobians[0] == nullptr) {
      // Only the length is asked for.
      f.setZero();
      f[size_] = std::sqrt(2 * cost_.Cost(theta));
      return true;
    }
    const RobustCost::Model model = cost_.Evaluate(theta);
    f.head(size_) = model.f;
    f[size_] = std::sqrt(std::max(0.0, 2 * model.cost - model.f.squaredNorm()));
    Eigen::Map<RowMajorMatrix> j(jacobians[0], size_ + 1, size_);
    j.topRows(size_) = model.j;
    j.row(size_).setZero();
    return true;
  }

 private:
  const RobustCost& cost_;
  int size_;
};

// Ceres ends where the cost no longer changes, which is half of the digits of theta. Steps to the
// exact minimum of the model, as long as they do not raise the cost, bring the others.
void Polish(const RobustCost& cost, const VectorXd& lower, VectorXd* theta) {
  constexpr int kSteps = 5;
  constexpr double kRounding = 1e-14;
  const Eigen::Index size = theta->size();
  Eigen::MatrixXd triangle = Eigen::MatrixXd::Zero(size + 1, size + 1);
  for (int step = 0; step < kSteps; ++step) {
    const RobustCost::Model model = cost.Evaluate(*theta);
    triangle.topLeftCorner(size, size) = model.j;
    triangle.topRightCorner(size, 1) = model.j * *theta - model.f;
    const VectorXd next = lower.size() > 0 ? MinimizeBounded(triangle, lower)
                                           : SolveTriangle(triangle, kRounding).theta;
    if (!(cost.Cost(next) <= model.cost * (1 + kRounding))) return;
    const double change = (next - *theta).cwiseAbs().maxCoeff();
    *theta = next;
    if (change <= kRounding * next.cwiseAbs().maxCoeff()) return;
  }
}

// How far theta is from the optimum: the largest component of the gradient that the bounds let
// through, relative to the size of its terms.
class OptimalityGap {
 public:
  explicit OptimalityGap(Eigen::Index size)
      : gradient_(VectorXd::Zero(size)), size_(VectorXd::Zero(size)) {}

  // One row of [A | b] with a weight.
  void Add(const VectorXd& row, double b, double weight, const VectorXd& theta) {
    gradient_ += weight * (row.dot(theta) - b) * row;
    size_ += weight * std::fabs(b) * row.cwiseAbs();
  }

  // `tolerance` is how near theta is at its bound.
  double Value(const VectorXd& theta, const VectorXd& lower, double tolerance) const {
    double gap = 0;
    for (int k = 0; k < theta.size(); ++k) {
      const bool at_bound = lower.size() > 0 && theta[k] <= lower[k] + tolerance;
      const double open = at_bound ? std::max(0.0, -gradient_[k]) : std::fabs(gradient_[k]);
      gap = std::max(gap, open / std::max(size_[k], std::numeric_limits<double>::min()));
    }
    return gap;
  }

 private:
  VectorXd gradient_;
  VectorXd size_;
};

// `loss` may be null: least squares, whose gradient the triangle has.
double GapOf(const Problem& problem,
             const RobustLoss* loss,
             const VectorXd& lower,
             const VectorXd& theta) {
  const Eigen::Index size = theta.size();
  OptimalityGap gap(size);
  if (loss == nullptr) {
    for (Eigen::Index i = 0; i <= size; ++i) {
      gap.Add(problem.triangle.row(i).head(size), problem.triangle(i, size), 1, theta);
    }
  } else {
    VectorXd row(size);
    for (size_t i = 0; i < problem.xs.size(); ++i) {
      problem.basis.Evaluate(problem.xs[i], row.data());
      const double r = row.dot(theta) - problem.ys[i];
      double rho[3];
      loss->Evaluate(r * r, rho);
      gap.Add(row, problem.ys[i], problem.weight(i) * rho[1], theta);
    }
  }
  return gap.Value(theta, lower, 1e-12 * problem.y.width());
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

}  // namespace

Solution SolveCeres(const Problem& problem, const VectorXd& lower) {
  constexpr double kGap = 1e-9;
  const int size = problem.basis.size();
  Solution solution;
  solution.theta = VectorXd::Zero(size);
  std::optional<RobustLoss> loss;
  std::optional<RobustCost> robust;
  std::unique_ptr<ceres::CostFunction> cost;
  if (problem.options.robust()) {
    const RobustStart start = FindRobustStart(problem);
    solution.theta = start.theta;
    solution.scale = start.scale;
    loss.emplace(problem.options.method, start.scale);
    robust.emplace(problem, *loss);
    cost = std::make_unique<RobustPairsCost>(*robust, size);
  } else {
    cost = std::make_unique<TriangleCost>(problem.triangle);
  }
  if (lower.size() > 0) solution.theta = solution.theta.cwiseMax(lower);

  ceres::Problem ceres_problem;
  ceres_problem.AddResidualBlock(cost.release(), nullptr, solution.theta.data());
  for (int k = 0; k < lower.size(); ++k) {
    if (std::isfinite(lower[k])) {
      ceres_problem.SetParameterLowerBound(solution.theta.data(), k, lower[k]);
    }
  }
  const ceres::Solver::Options options = SolverOptions(lower.size() > 0);
  ceres::Solver::Summary summary;
  const auto solve = [&] {
    ceres::Solve(options, &ceres_problem, &summary);
    solution.iterations += static_cast<int>(summary.iterations.size());
    if (robust) Polish(*robust, lower, &solution.theta);
    return GapOf(problem, loss ? &*loss : nullptr, lower, solution.theta);
  };
  double gap = solve();
  if (lower.size() > 0 && !(gap <= kGap)) {
    // Stuck between bounds: begin again from the answer of the active-set method.
    solution.theta = SolveDirect(problem, lower, nullptr).theta.cwiseMax(lower);
    gap = solve();
  }
  // The tolerances are below rounding, so "no further progress" is an end too: the gradient
  // decides.
  solution.converged = summary.IsSolutionUsable() && gap <= 1e-6;
  if (!solution.converged) {
    solution.status = fmt::format("not converged (gradient {:.1g}): {}", gap, summary.message);
  }
  return solution;
}

}  // namespace teacache
