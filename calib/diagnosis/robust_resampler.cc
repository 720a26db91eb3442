#include "calib/diagnosis/robust_resampler.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>

#include "calib/fit/fit_problem.h"

namespace teacache {
namespace {

using Eigen::ArrayXd;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr int kMaxIterations = 100;

}  // namespace

RobustResampler::RobustResampler(const std::vector<Pair>& pairs,
                                 const std::vector<std::vector<size_t>>& members,
                                 const FitOptions& options,
                                 const FitSummary& start,
                                 const MatrixXd& triangle,
                                 const Basis& basis,
                                 const VectorXd& lower)
    : method_(options.method), width_(Tuning(options.method) * start.scale), lower_(lower) {
  const int size = basis.size();
  const double n = static_cast<double>(pairs.size());
  const double rcond = n * std::numeric_limits<double>::epsilon();
  tolerance_ = 1e-5 * start.scale * std::sqrt(n);
  r_ = triangle.topLeftCorner(size, size);
  inverse_ = PseudoInverse(r_, rcond);
  plain_ = inverse_ * triangle.topRightCorner(size, 1);
  VectorXd row(size);
  for (const std::vector<size_t>& group : members) {
    Block block;
    block.q.resize(static_cast<Eigen::Index>(group.size()), size);
    block.e.resize(block.q.rows());
    VectorXd residuals(block.q.rows());
    ArrayXd weight(block.q.rows());
    for (Eigen::Index i = 0; i < block.q.rows(); ++i) {
      const Pair& pair = pairs[group[static_cast<size_t>(i)]];
      basis.Evaluate(pair.x, row.data());
      block.q.row(i) = row.transpose() * inverse_;
      block.e[i] = pair.y - row.dot(plain_);
      residuals[i] = pair.y - start.polynomial(pair.x);
      weight[i] = pair.weight;
    }
    if ((weight != 1).any()) block.weight = weight;
    block.start = ZeroNormal();
    Add(block, Weights(block, residuals), 1, &block.start);
    blocks_.push_back(std::move(block));
  }
}

RobustResampler::Normal RobustResampler::ZeroNormal() const {
  return {MatrixXd::Zero(r_.rows(), r_.rows()), VectorXd::Zero(r_.rows())};
}

ArrayXd RobustResampler::Weights(const Block& block, const VectorXd& residuals) const {
  const ArrayXd squared = residuals.array().square();
  const double a2 = width_ * width_;
  ArrayXd weights;
  switch (method_) {
    case FitOptions::Method::kHuber:
      weights =
          (squared <= a2).select(ArrayXd::Ones(squared.size()), width_ * squared.max(a2).rsqrt());
      break;
    case FitOptions::Method::kCauchy:
      weights = (1 + squared / a2).inverse();
      break;
    default:
      weights = (1 - squared / a2).max(0.0).square();
      break;
  }
  if (block.weight.size() > 0) weights *= block.weight.array();
  return weights;
}

// Only the lower triangle of Q'WQ.
void RobustResampler::Add(const Block& block,
                          const ArrayXd& weights,
                          double count,
                          Normal* normal) const {
  VectorXd column(block.e.size());
  for (Eigen::Index k = 0; k < block.q.cols(); ++k) {
    column = block.q.col(k).array() * weights;
    for (Eigen::Index j = k; j < block.q.cols(); ++j) {
      normal->q(j, k) += count * column.dot(block.q.col(j));
    }
    normal->e[k] += count * column.dot(block.e);
  }
}

VectorXd RobustResampler::Minimum(const Normal& normal) const {
  const Eigen::LLT<MatrixXd> factors(normal.q);
  VectorXd d;
  MatrixXd root;  // root' root = Q'WQ
  const VectorXd pivots = MatrixXd(factors.matrixL()).diagonal();
  if (factors.info() == Eigen::Success && pivots.minCoeff() > 1e-7 * pivots.maxCoeff()) {
    d = factors.solve(normal.e);
    if (lower_.size() > 0) root = factors.matrixU();
  } else {
    // These pairs cannot tell all coefficients apart: the shortest of the solutions.
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(normal.q);
    const VectorXd values = eigen.eigenvalues().cwiseMax(0.0);
    const double cut = 1e-13 * values.maxCoeff();
    const VectorXd inverse = (values.array() > cut).select(values.cwiseInverse(), 0.0);
    d = eigen.eigenvectors() *
        (inverse.asDiagonal() * (eigen.eigenvectors().transpose() * normal.e));
    root = values.cwiseSqrt().asDiagonal() * eigen.eigenvectors().transpose();
  }
  if (lower_.size() == 0) return plain_ + inverse_ * d;
  MatrixXd triangle = MatrixXd::Zero(r_.rows() + 1, r_.cols() + 1);
  triangle.topLeftCorner(r_.rows(), r_.cols()) = root * r_;
  triangle.topRightCorner(r_.rows(), 1) = root * (d + r_ * plain_);
  return MinimizeBounded(triangle, lower_);
}

VectorXd RobustResampler::Solve(const std::vector<int>& counts) const {
  Normal normal = ZeroNormal();
  for (size_t g = 0; g < blocks_.size(); ++g) {
    if (counts[g] == 0) continue;
    normal.q += counts[g] * blocks_[g].start.q;
    normal.e += counts[g] * blocks_[g].start.e;
  }
  VectorXd theta = Minimum(normal);
  VectorXd residuals;
  for (int iteration = 1; iteration < kMaxIterations; ++iteration) {
    const VectorXd d = r_ * (theta - plain_);
    normal = ZeroNormal();
    for (size_t g = 0; g < blocks_.size(); ++g) {
      if (counts[g] == 0) continue;
      const Block& block = blocks_[g];
      residuals = block.e;
      residuals.noalias() -= block.q * d;
      Add(block, Weights(block, residuals), counts[g], &normal);
    }
    const VectorXd next = Minimum(normal);
    const double change = (r_ * (next - theta)).norm();
    theta = next;
    if (change <= tolerance_) break;
  }
  return theta;
}

}  // namespace teacache
