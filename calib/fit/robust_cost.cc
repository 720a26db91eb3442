#include "calib/fit/robust_cost.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <limits>
#include <utility>

namespace teacache {
namespace {

using Eigen::ArrayXd;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index kBlock = 512;  // pairs that are worked on at once, in cache

// Adds times * Q' diag(w) Q, lower triangle only.
void AddGram(const Eigen::Ref<const MatrixXd>& q,
             const ArrayXd& weights,
             double times,
             MatrixXd* gram) {
  VectorXd column(q.rows());
  for (Index k = 0; k < q.cols(); ++k) {
    column = q.col(k).array() * weights;
    for (Index j = k; j < q.cols(); ++j) (*gram)(j, k) += times * column.dot(q.col(j));
  }
}

// root' root = gram and the shortest f with root' f = gradient; false where gram is not positive
// enough to be a curvature.
bool Factor(
    const MatrixXd& gram, const VectorXd& gradient, double least, MatrixXd* root, VectorXd* f) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(gram);  // reads the lower triangle
  const VectorXd& values = eigen.eigenvalues();
  if (values.minCoeff() < least * values.maxCoeff()) return false;
  const double cut = 1e-13 * values.maxCoeff();
  const VectorXd roots = values.cwiseMax(0.0).cwiseSqrt();
  const VectorXd inverse = (values.array() > cut).select(roots.cwiseInverse(), 0.0);
  *root = roots.asDiagonal() * eigen.eigenvectors().transpose();
  *f = inverse.asDiagonal() * (eigen.eigenvectors().transpose() * gradient);
  return true;
}

}  // namespace

RobustCost::RobustCost(const Problem& problem, const RobustLoss& loss) : loss_(loss) {
  const Index n = static_cast<Index>(problem.xs.size());
  const Index size = problem.basis.size();
  const double rcond = static_cast<double>(n) * std::numeric_limits<double>::epsilon();
  r_ = problem.triangle.topLeftCorner(size, size);
  inverse_ = PseudoInverse(r_, rcond);
  plain_ = inverse_ * problem.triangle.topRightCorner(size, 1);
  q_.resize(n, size);
  e_.resize(n);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> phi(kBlock, size);
  for (Index begin = 0; begin < n; begin += kBlock) {
    const Index count = std::min(kBlock, n - begin);
    for (Index i = 0; i < count; ++i) {
      problem.basis.Evaluate(problem.xs[static_cast<size_t>(begin + i)], phi.row(i).data());
      e_[begin + i] = problem.ys[static_cast<size_t>(begin + i)];
    }
    q_.middleRows(begin, count).noalias() = phi.topRows(count) * inverse_;
    e_.segment(begin, count).noalias() -= phi.topRows(count) * plain_;
  }
  if (!problem.weights.empty()) {
    weight_ = Eigen::Map<const VectorXd>(problem.weights.data(), n);
  }
}

RobustCost::Normal RobustCost::ZeroNormal() const {
  return {MatrixXd::Zero(q_.cols(), q_.cols()), VectorXd::Zero(q_.cols())};
}

ArrayXd RobustCost::Residuals(const VectorXd& d, Index begin, Index count) const {
  ArrayXd residuals = e_.segment(begin, count);
  for (Index k = 0; k < q_.cols(); ++k) {
    residuals -= d[k] * q_.col(k).segment(begin, count).array();
  }
  return residuals;
}

ArrayXd RobustCost::Weighted(ArrayXd values, Index begin) const {
  if (weight_.size() > 0) values *= weight_.segment(begin, values.size()).array();
  return values;
}

void RobustCost::AddReweighted(const ArrayXd& residuals,
                               Index begin,
                               double times,
                               Normal* normal) const {
  const ArrayXd weights = Weighted(loss_.First<ArrayXd>(residuals.square()), begin);
  const auto q = q_.middleRows(begin, residuals.size());
  AddGram(q, weights, times, &normal->gram);
  normal->e.noalias() +=
      times * (q.transpose() * (weights * e_.segment(begin, weights.size()).array()).matrix());
}

double RobustCost::Cost(const VectorXd& theta) const {
  const VectorXd d = ToD(theta);
  double sum = 0;
  for (Index begin = 0; begin < e_.size(); begin += kBlock) {
    const Index count = std::min(kBlock, e_.size() - begin);
    const ArrayXd squared = Residuals(d, begin, count).square();
    sum += Weighted(loss_.Value(squared), begin).sum();
  }
  return sum / 2;
}

RobustCost::Model RobustCost::Evaluate(const VectorXd& theta) const {
  const VectorXd d = ToD(theta);
  double sum = 0;
  VectorXd gradient = VectorXd::Zero(d.size());
  MatrixXd newton = MatrixXd::Zero(d.size(), d.size());
  MatrixXd reweighted = newton;
  for (Index begin = 0; begin < e_.size(); begin += kBlock) {
    const Index count = std::min(kBlock, e_.size() - begin);
    const ArrayXd residuals = Residuals(d, begin, count);
    const ArrayXd squared = residuals.square();
    const ArrayXd first = loss_.First(squared);
    const ArrayXd weights = Weighted(first, begin);
    sum += Weighted(loss_.Value(squared), begin).sum();
    const auto q = q_.middleRows(begin, count);
    gradient.noalias() -= q.transpose() * (weights * residuals).matrix();
    AddGram(q, Weighted(first + 2 * squared * loss_.Second(squared, first), begin), 1, &newton);
    AddGram(q, weights, 1, &reweighted);
  }
  Model model;
  model.cost = sum / 2;
  MatrixXd root;
  if (!Factor(newton, gradient, 1e-6, &root, &model.f) || model.f.squaredNorm() > sum) {
    Factor(reweighted, gradient, -1, &root, &model.f);
  }
  model.j = root * r_;
  return model;
}

}  // namespace teacache
