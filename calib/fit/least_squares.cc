#include "calib/fit/least_squares.h"

#include <Eigen/Householder>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

namespace teacache {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using LongPolynomial = std::vector<long double>;  // lowest power first

constexpr int kBlockRows = 256;

// p(a x + b), lowest power first, by Horner's rule on polynomials.
LongPolynomial Compose(const LongPolynomial& p, long double a, long double b) {
  LongPolynomial result = {0};
  for (size_t i = p.size(); i-- > 0;) {
    LongPolynomial next(result.size() + 1, 0);
    for (size_t k = 0; k < result.size(); ++k) {
      next[k] += b * result[k];
      next[k + 1] += a * result[k];
    }
    next[0] += p[i];
    result = std::move(next);
  }
  result.resize(p.size());
  return result;
}

long double Binomial(int n, int k) {
  long double value = 1;
  for (int i = 1; i <= k; ++i) value = value * (n - k + i) / i;
  return value;
}

// sum c_k T_k(t) in powers of t.
LongPolynomial ChebyshevToPower(const VectorXd& c) {
  const size_t n = static_cast<size_t>(c.size());
  LongPolynomial sum(n, 0);
  LongPolynomial previous(n, 0);
  LongPolynomial current(n, 0);
  previous[0] = 1;
  if (n > 1) current[1] = 1;
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = 0; i < n; ++i) sum[i] += c[k] * previous[i];
    LongPolynomial next(n, 0);
    for (size_t i = 0; i < n; ++i) {
      if (i + 1 < n) next[i + 1] += 2 * current[i];
      next[i] -= previous[i];
    }
    previous = std::move(current);
    current = std::move(next);
  }
  return sum;
}

// sum b_k B_{k,n}(t) in powers of t: the coefficient of t^j is C(n, j) * (j-th forward difference).
LongPolynomial BernsteinToPower(const LongPolynomial& b) {
  const int n = static_cast<int>(b.size()) - 1;
  LongPolynomial differences = b;
  LongPolynomial powers(b.size());
  for (int j = 0; j <= n; ++j) {
    powers[j] = Binomial(n, j) * differences[0];
    for (int i = 0; i + 1 < static_cast<int>(differences.size()); ++i) {
      differences[i] = differences[i + 1] - differences[i];
    }
    differences.pop_back();
  }
  return powers;
}

// All B_{k,degree}(t) by the triangular recursion.
void EvaluateBernstein(double t, int degree, double* values) {
  values[0] = 1;
  for (int n = 1; n <= degree; ++n) {
    values[n] = t * values[n - 1];
    for (int k = n - 1; k > 0; --k) values[k] = t * values[k - 1] + (1 - t) * values[k];
    values[0] *= 1 - t;
  }
}

// Solution of the passive columns' least-squares problem, zeros elsewhere.
VectorXd SolvePassive(const MatrixXd& a, const VectorXd& b, const std::vector<bool>& passive) {
  std::vector<int> columns;
  for (int k = 0; k < a.cols(); ++k) {
    if (passive[k]) columns.push_back(k);
  }
  VectorXd solution = VectorXd::Zero(a.cols());
  if (columns.empty()) return solution;
  const VectorXd part = a(Eigen::all, columns).colPivHouseholderQr().solve(b);
  for (size_t i = 0; i < columns.size(); ++i) solution[columns[i]] = part[i];
  return solution;
}

}  // namespace

Basis::Basis(Kind kind, int degree, Interval range, bool through_origin)
    : kind_(kind), degree_(degree), range_(range), through_origin_(through_origin) {}

void Basis::Evaluate(double x, double* row) const {
  switch (kind_) {
    case Kind::kPower: {
      double power = through_origin_ ? x : 1;
      for (int k = size() - 1; k >= 0; --k) {
        row[k] = power;
        power *= x;
      }
      return;
    }
    case Kind::kChebyshev: {
      const double t =
          range_.width() > 0 ? ((x - range_.lo) - (range_.hi - x)) / range_.width() : 0;
      row[0] = 1;
      if (degree_ > 0) row[1] = t;
      for (int k = 2; k <= degree_; ++k) row[k] = 2 * t * row[k - 1] - row[k - 2];
      return;
    }
    case Kind::kBernstein:
    case Kind::kCumulativeBernstein: {
      double values[64];
      EvaluateBernstein((x - range_.lo) / range_.width(), degree_, values);
      if (kind_ == Kind::kCumulativeBernstein) {
        for (int k = degree_ - 1; k >= 0; --k) values[k] += values[k + 1];
      }
      std::copy(values + (through_origin_ ? 1 : 0), values + degree_ + 1, row);
      return;
    }
  }
}

std::vector<double> Basis::ToPower(const VectorXd& theta) const {
  LongPolynomial ascending;
  if (kind_ == Kind::kPower) {
    ascending.assign(theta.data(), theta.data() + theta.size());
    std::reverse(ascending.begin(), ascending.end());
    if (through_origin_) ascending.insert(ascending.begin(), 0);
  } else if (kind_ == Kind::kChebyshev) {
    const long double half = (static_cast<long double>(range_.hi) - range_.lo) / 2;
    const long double middle = (static_cast<long double>(range_.hi) + range_.lo) / 2;
    ascending = half > 0 ? Compose(ChebyshevToPower(theta), 1 / half, -middle / half)
                         : LongPolynomial{static_cast<long double>(theta[0])};
  } else {
    LongPolynomial b(theta.data(), theta.data() + theta.size());
    if (through_origin_) b.insert(b.begin(), 0);
    if (kind_ == Kind::kCumulativeBernstein) {
      for (size_t k = 1; k < b.size(); ++k) b[k] += b[k - 1];
    }
    const long double width = static_cast<long double>(range_.hi) - range_.lo;
    ascending = Compose(BernsteinToPower(b), 1 / width, -range_.lo / width);
  }
  return {ascending.rbegin(), ascending.rend()};
}

QrAccumulator::QrAccumulator(int columns)
    : columns_(columns), block_(MatrixXd::Zero(columns + 1 + kBlockRows, columns + 1)) {
  filled_ = columns + 1;  // the triangle so far: zero
}

void QrAccumulator::Add(const double* row) {
  for (int k = 0; k <= columns_; ++k) block_(filled_, k) = row[k];
  if (++filled_ == block_.rows()) Reduce();
}

void QrAccumulator::Reduce() {
  const int n = columns_ + 1;
  auto rows = block_.topRows(filled_);
  VectorXd workspace(n);
  for (int k = 0; k < n && k < filled_ - 1; ++k) {
    double tau = 0;
    double beta = 0;
    auto column = rows.col(k).tail(filled_ - k);
    column.makeHouseholderInPlace(tau, beta);
    if (k + 1 < n) {
      rows.bottomRightCorner(filled_ - k, n - k - 1)
          .applyHouseholderOnTheLeft(column.tail(filled_ - k - 1), tau, workspace.data());
    }
    column[0] = beta;
    column.tail(filled_ - k - 1).setZero();
  }
  filled_ = n;
}

MatrixXd QrAccumulator::Triangle() {
  Reduce();
  return block_.topRows(columns_ + 1);
}

LeastSquaresResult SolveTriangle(const MatrixXd& triangle, double rcond) {
  const int n = static_cast<int>(triangle.cols()) - 1;
  MatrixXd a = triangle.topLeftCorner(n, n);
  const VectorXd b = triangle.topRightCorner(n, 1);
  VectorXd scale = a.colwise().norm();
  scale = (scale.array() > 0).select(scale, 1.0);
  a.array().rowwise() /= scale.transpose().array();
  const Eigen::JacobiSVD<MatrixXd> svd(a, Eigen::ComputeFullU | Eigen::ComputeFullV);
  const VectorXd& s = svd.singularValues();
  LeastSquaresResult result;
  VectorXd projected = svd.matrixU().transpose() * b;
  for (int k = 0; k < n; ++k) {
    const bool keep = s[k] > rcond * s[0];
    projected[k] = keep ? projected[k] / s[k] : 0;
    result.rank += keep ? 1 : 0;
  }
  result.theta = (svd.matrixV() * projected).cwiseQuotient(scale);
  result.condition_number =
      s[n - 1] > 0 ? s[0] / s[n - 1] : std::numeric_limits<double>::infinity();
  return result;
}

MatrixXd PseudoInverse(const MatrixXd& r, double rcond) {
  VectorXd scale = r.colwise().norm();
  scale = (scale.array() > 0).select(scale, 1.0);
  MatrixXd scaled = r;
  scaled.array().rowwise() /= scale.transpose().array();
  const Eigen::JacobiSVD<MatrixXd> svd(scaled, Eigen::ComputeFullU | Eigen::ComputeFullV);
  const VectorXd& s = svd.singularValues();
  VectorXd inverse = VectorXd::Zero(s.size());
  for (int k = 0; k < s.size(); ++k) inverse[k] = s[k] > rcond * s[0] ? 1 / s[k] : 0;
  const MatrixXd result = svd.matrixV() * inverse.asDiagonal() * svd.matrixU().transpose();
  return scale.cwiseInverse().asDiagonal() * result;
}

VectorXd MinimizeBounded(const MatrixXd& triangle, const VectorXd& lower) {
  const int n = static_cast<int>(triangle.cols()) - 1;
  MatrixXd a = triangle.topLeftCorner(n, n);
  VectorXd scale = a.colwise().norm();
  scale = (scale.array() > 0).select(scale, 1.0);
  // theta = lower + scaled / scale with scaled >= 0 (free ones: lower counted as 0).
  VectorXd shift(n);
  std::vector<bool> passive(n);
  for (int k = 0; k < n; ++k) {
    passive[k] = std::isinf(lower[k]);
    shift[k] = passive[k] ? 0 : lower[k];
  }
  const std::vector<bool> is_free = passive;
  const VectorXd b = triangle.topRightCorner(n, 1) - a * shift;
  a.array().rowwise() /= scale.transpose().array();
  const double tolerance = 1e-14 * std::max(b.norm(), std::numeric_limits<double>::min());

  VectorXd x = SolvePassive(a, b, passive);
  for (int round = 0; round < 10 * n; ++round) {
    const VectorXd gradient = a.transpose() * (b - a * x);
    int enter = -1;
    for (int k = 0; k < n; ++k) {
      if (!passive[k] && gradient[k] > tolerance && (enter < 0 || gradient[k] > gradient[enter])) {
        enter = k;
      }
    }
    if (enter < 0) break;
    passive[enter] = true;
    VectorXd z = SolvePassive(a, b, passive);
    while (true) {
      // Steps towards z only as far as all bounded variables stay positive; the first to reach its
      // bound leaves.
      double alpha = 1;
      int leave = -1;
      for (int k = 0; k < n; ++k) {
        if (!passive[k] || is_free[k] || z[k] > 0) continue;
        const double step = x[k] > 0 ? x[k] / (x[k] - z[k]) : 0.0;
        if (leave < 0 || step < alpha) {
          alpha = step;
          leave = k;
        }
      }
      if (leave < 0) break;
      x += alpha * (z - x);
      x[leave] = 0;
      passive[leave] = false;
      for (int k = 0; k < n; ++k) {
        if (!passive[k]) x[k] = 0;
      }
      z = SolvePassive(a, b, passive);
    }
    x = z;
  }
  return shift + x.cwiseQuotient(scale);
}

LeastSquaresResult SolveBounded(const MatrixXd& triangle, const VectorXd& lower) {
  const int n = static_cast<int>(triangle.cols()) - 1;
  MatrixXd a = triangle.topLeftCorner(n, n);
  VectorXd scale = a.colwise().norm();
  scale = (scale.array() > 0).select(scale, 1.0);
  a.array().rowwise() /= scale.transpose().array();
  const Eigen::JacobiSVD<MatrixXd> svd(a);
  const VectorXd& s = svd.singularValues();
  LeastSquaresResult result;
  result.theta = MinimizeBounded(triangle, lower);
  result.rank = static_cast<int>((s.array() > 1e-14 * s[0]).count());
  result.condition_number =
      s[n - 1] > 0 ? s[0] / s[n - 1] : std::numeric_limits<double>::infinity();
  return result;
}

}  // namespace teacache
