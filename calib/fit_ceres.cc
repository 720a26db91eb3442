// Fits by Ceres.

#include <ceres/ceres.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "calib/fit_problem.h"

namespace teacache {
namespace {

using Eigen::VectorXd;
using Method = FitOptions::Method;
using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

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

}  // namespace

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

}  // namespace teacache
