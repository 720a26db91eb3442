#include "calib/diagnosis/robust_resampler.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <cmath>
#include <utility>

#include "calib/fit/robust_loss.h"

namespace teacache {

using Eigen::ArrayXd;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

RobustResampler::RobustResampler(const Problem& problem,
                                 std::vector<Index> begins,
                                 const FitSummary& start)
    : cost_(problem, RobustLoss(problem.options.method, start.scale)),
      begins_(std::move(begins)),
      lower_(problem.lower),
      tolerance_(1e-5 * start.scale * std::sqrt(static_cast<double>(problem.xs.size()))) {
  for (size_t g = 0; g + 1 < begins_.size(); ++g) {
    ArrayXd residuals(begins_[g + 1] - begins_[g]);
    for (Index i = 0; i < residuals.size(); ++i) {
      const size_t pair = static_cast<size_t>(begins_[g] + i);
      residuals[i] = problem.ys[pair] - start.polynomial(problem.xs[pair]);
    }
    start_.push_back(cost_.ZeroNormal());
    cost_.AddReweighted(residuals, begins_[g], 1, &start_.back());
  }
}

VectorXd RobustResampler::Minimum(const RobustCost::Normal& normal) const {
  const Eigen::LLT<MatrixXd> factors(normal.gram);
  VectorXd d;
  MatrixXd root;  // root' root = gram
  const VectorXd pivots = MatrixXd(factors.matrixL()).diagonal();
  if (factors.info() == Eigen::Success && pivots.minCoeff() > 1e-7 * pivots.maxCoeff()) {
    d = factors.solve(normal.e);
    if (lower_.size() > 0) root = factors.matrixU();
  } else {
    // These pairs do not determine all coefficients: the shortest of the solutions.
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(normal.gram);
    const VectorXd values = eigen.eigenvalues().cwiseMax(0.0);
    const double cut = 1e-13 * values.maxCoeff();
    const VectorXd inverse = (values.array() > cut).select(values.cwiseInverse(), 0.0);
    d = eigen.eigenvectors() *
        (inverse.asDiagonal() * (eigen.eigenvectors().transpose() * normal.e));
    root = values.cwiseSqrt().asDiagonal() * eigen.eigenvectors().transpose();
  }
  if (lower_.size() == 0) return cost_.ToTheta(d);
  const Index size = d.size();
  MatrixXd triangle = MatrixXd::Zero(size + 1, size + 1);
  triangle.topLeftCorner(size, size) = root * cost_.r();
  triangle.topRightCorner(size, 1) = root * (d + cost_.r() * cost_.plain());
  return MinimizeBounded(triangle, lower_);
}

VectorXd RobustResampler::Solve(const std::vector<int>& counts) const {
  constexpr int kMaxIterations = 100;
  RobustCost::Normal normal = cost_.ZeroNormal();
  for (size_t g = 0; g < start_.size(); ++g) {
    if (counts[g] == 0) continue;
    normal.gram += counts[g] * start_[g].gram;
    normal.e += counts[g] * start_[g].e;
  }
  VectorXd theta = Minimum(normal);
  for (int iteration = 1; iteration < kMaxIterations; ++iteration) {
    const VectorXd d = cost_.ToD(theta);
    normal = cost_.ZeroNormal();
    for (size_t g = 0; g < start_.size(); ++g) {
      if (counts[g] == 0) continue;
      const ArrayXd residuals = cost_.Residuals(d, begins_[g], begins_[g + 1] - begins_[g]);
      cost_.AddReweighted(residuals, begins_[g], counts[g], &normal);
    }
    const VectorXd next = Minimum(normal);
    const double change = (cost_.r() * (next - theta)).norm();
    theta = next;
    if (change <= tolerance_) break;
  }
  return theta;
}

}  // namespace teacache
