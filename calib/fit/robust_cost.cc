#include "calib/fit/robust_cost.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>

namespace teacache {
namespace {

using Eigen::ArrayXd;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Method = FitOptions::Method;

// rho of squared residuals.
ArrayXd Loss(Method method, double a, const ArrayXd& squared) {
  const double a2 = a * a;
  switch (method) {
    case Method::kHuber:
      return (squared <= a2).select(squared, 2 * a * squared.sqrt() - a2);
    case Method::kCauchy:
      return a2 * (squared / a2).log1p();
    default: {
      const ArrayXd rest = (1 - squared / a2).max(0.0);
      return a2 / 3 * (1 - rest.cube());
    }
  }
}

// rho' and rho' + 2 s rho''.
void LossDerivatives(
    Method method, double a, const ArrayXd& squared, ArrayXd* first, ArrayXd* curvature) {
  const ArrayXd u = squared / (a * a);
  switch (method) {
    case Method::kHuber:
      *first = (u <= 1).select(1.0, u.max(1.0).rsqrt());
      *curvature = (u <= 1).cast<double>();
      return;
    case Method::kCauchy:
      *first = (1 + u).inverse();
      *curvature = (1 - u) * first->square();
      return;
    default: {
      const ArrayXd rest = (1 - u).max(0.0);
      *first = rest.square();
      *curvature = rest * (1 - 5 * u);
    }
  }
}

// Adds Q' diag(w) Q, lower triangle only.
void AddGram(const Eigen::Ref<const MatrixXd>& q, const ArrayXd& weights, MatrixXd* gram) {
  for (Index k = 0; k < q.cols(); ++k) {
    const VectorXd column = q.col(k).array() * weights;
    for (Index j = k; j < q.cols(); ++j) (*gram)(j, k) += column.dot(q.col(j));
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

RobustCost::RobustCost(const Problem& problem, double width)
    : method_(problem.options.method), width_(width) {
  const Index n = static_cast<Index>(problem.xs.size());
  const Index size = problem.basis.size();
  const MatrixXd triangle = ReduceWeighted(problem, {});
  const double rcond = static_cast<double>(n) * std::numeric_limits<double>::epsilon();
  r_ = triangle.topLeftCorner(size, size);
  const MatrixXd inverse = PseudoInverse(r_, rcond);
  plain_ = inverse * triangle.topRightCorner(size, 1);
  q_.resize(n, size);
  e_.resize(n);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> phi(kBlock, size);
  for (Index begin = 0; begin < n; begin += kBlock) {
    const Index count = std::min(kBlock, n - begin);
    for (Index i = 0; i < count; ++i) {
      problem.basis.Evaluate(problem.xs[static_cast<size_t>(begin + i)], phi.row(i).data());
      e_[begin + i] = -problem.ys[static_cast<size_t>(begin + i)];
    }
    q_.middleRows(begin, count).noalias() = phi.topRows(count) * inverse;
    e_.segment(begin, count).noalias() += phi.topRows(count) * plain_;
  }
  if (!problem.weights.empty()) {
    weight_ = Eigen::Map<const VectorXd>(problem.weights.data(), n);
  }
}

ArrayXd RobustCost::SquaredResiduals(const VectorXd& d,
                                     Index begin,
                                     Index count,
                                     ArrayXd* residuals) const {
  *residuals = e_.segment(begin, count).array();
  for (Index k = 0; k < q_.cols(); ++k) {
    *residuals += d[k] * q_.col(k).segment(begin, count).array();
  }
  return residuals->square();
}

double RobustCost::SumOfLoss(const ArrayXd& squared, Index begin) const {
  const ArrayXd loss = Loss(method_, width_, squared);
  if (weight_.size() == 0) return loss.sum();
  return (loss * weight_.segment(begin, loss.size()).array()).sum();
}

double RobustCost::Cost(const VectorXd& theta) const {
  const VectorXd d = r_ * (theta - plain_);
  ArrayXd residuals;
  double sum = 0;
  for (Index begin = 0; begin < e_.size(); begin += kBlock) {
    const Index count = std::min(kBlock, e_.size() - begin);
    sum += SumOfLoss(SquaredResiduals(d, begin, count, &residuals), begin);
  }
  return sum / 2;
}

RobustCost::Model RobustCost::Evaluate(const VectorXd& theta) const {
  const Index size = q_.cols();
  const VectorXd d = r_ * (theta - plain_);
  ArrayXd residuals;
  ArrayXd first;
  ArrayXd curvature;
  double sum = 0;
  VectorXd gradient = VectorXd::Zero(size);
  MatrixXd newton = MatrixXd::Zero(size, size);
  MatrixXd reweighted = MatrixXd::Zero(size, size);
  for (Index begin = 0; begin < e_.size(); begin += kBlock) {
    const Index count = std::min(kBlock, e_.size() - begin);
    const ArrayXd squared = SquaredResiduals(d, begin, count, &residuals);
    sum += SumOfLoss(squared, begin);
    LossDerivatives(method_, width_, squared, &first, &curvature);
    if (weight_.size() > 0) {
      first *= weight_.segment(begin, count).array();
      curvature *= weight_.segment(begin, count).array();
    }
    const auto q = q_.middleRows(begin, count);
    gradient.noalias() += q.transpose() * (first * residuals).matrix();
    AddGram(q, curvature, &newton);
    AddGram(q, first, &reweighted);
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
