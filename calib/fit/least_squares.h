#pragma once

// Eigen inside: for the .cc files of calib only.

#include <Eigen/Core>
#include <functional>
#include <span>
#include <vector>

#include "calib/fit/fit.h"
#include "calib/fit/polynomial.h"

namespace teacache {

// A linear basis of polynomials of one degree, for least squares.
class Basis {
 public:
  enum class Kind {
    kPower,      // x^n, ..., x, 1 (numpy's Vandermonde order)
    kChebyshev,  // T_0(t), ..., T_n(t), t = x mapped from `range` to [-1, 1]
    kBernstein,  // B_{0,n}(t), ..., B_{n,n}(t), t = x mapped from `range` to [0, 1]
    // Sums of Bernstein polynomials, C_k = B_k + ... + B_n: f = sum d_k C_k increases on `range`
    // where d_1 ... d_n >= 0, and f(range.lo) = d_0.
    kCumulativeBernstein,
  };
  // through_origin drops the function that is not zero at x = 0: kPower's 1, or, for the Bernstein
  // kinds with range.lo = 0, the first.
  Basis(Kind kind, int degree, Interval range, bool through_origin);

  int size() const { return degree_ + (through_origin_ ? 0 : 1); }
  // The functions' values at x, size() numbers.
  void Evaluate(double x, double* row) const;
  // Power form of sum theta_k phi_k, highest power first, computed in long double.
  std::vector<double> ToPower(const Eigen::VectorXd& theta) const;

 private:
  Kind kind_;
  int degree_;
  Interval range_;
  bool through_origin_;
};

// The basis that a fit with these options is solved in, `x` being the observed range.
Basis MakeBasis(const FitOptions& options, const Interval& x);

// Lower bounds of that basis' parameters; empty for fits without constraints. `margin` > 0 keeps
// the exported polynomial on the right side in spite of its rounding.
Eigen::VectorXd MakeLowerBounds(const FitOptions& options, double margin);

// [A | b] reduced to a triangle R (size + 1) by orthogonal transformations, block by block.
class QrAccumulator {
 public:
  explicit QrAccumulator(int columns);
  // Adds one row of [A | b], columns + 1 numbers.
  void Add(const double* row);
  // The triangle: upper-left block = R of A, last column = Q'b above, residual norm below.
  Eigen::MatrixXd Triangle();

 private:
  void Reduce();

  int columns_;
  int filled_ = 0;
  Eigen::MatrixXd block_;
};

struct LeastSquaresResult {
  Eigen::VectorXd theta;
  int rank = 0;
  double condition_number = 0;  // of A with its columns scaled to length 1; infinity if singular
};

// Minimum-norm solution (in scaled columns) of min |A theta - b|, singular values below
// rcond * largest cut off.
LeastSquaresResult SolveTriangle(const Eigen::MatrixXd& triangle, double rcond);

// Pseudo-inverse of a triangle, cut in the same way.
Eigen::MatrixXd PseudoInverse(const Eigen::MatrixXd& r, double rcond);

// min |A theta - b| with theta_k >= lower_k (-infinity = free), by the active-set method of Lawson
// and Hanson, "Solving Least Squares Problems", chapter 23, with free variables kept passive.
Eigen::VectorXd MinimizeBounded(const Eigen::MatrixXd& triangle, const Eigen::VectorXd& lower);
// The same, and how well the problem is posed.
LeastSquaresResult SolveBounded(const Eigen::MatrixXd& triangle, const Eigen::VectorXd& lower);

}  // namespace teacache
