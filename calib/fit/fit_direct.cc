#include "calib/fit/fit_direct.h"

#include <cmath>
#include <limits>
#include <vector>

#include "calib/fit/robust_loss.h"
#include "calib/fit/robust_start.h"

namespace teacache {

using Eigen::ArrayXd;
using Eigen::VectorXd;

Solution SolveDirect(const Problem& problem, const VectorXd& lower, const FitSummary* start) {
  constexpr int kMaxIterations = 1000;
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
  const RobustLoss loss(problem.options.method, solution.scale);
  std::vector<double> weights(residuals.size());
  Eigen::Map<ArrayXd> weight(weights.data(), static_cast<Eigen::Index>(weights.size()));
  for (solution.iterations = 1; solution.iterations <= kMaxIterations; ++solution.iterations) {
    weight = loss.First<ArrayXd>(Eigen::Map<ArrayXd>(residuals.data(), weight.size()).square());
    const VectorXd next = SolveWeighted(problem, weights, lower).theta;
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

}  // namespace teacache
