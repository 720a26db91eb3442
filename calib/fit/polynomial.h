#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/statistics.h"

namespace teacache {

// f(x) = c[0] x^n + c[1] x^(n-1) + ... + c[n]: highest power first, as numpy.poly1d and as every
// TeaCache engine writes its coefficients.
class Polynomial {
 public:
  Polynomial() = default;  // f = 0
  explicit Polynomial(std::vector<double> coefficients) : coefficients_(std::move(coefficients)) {}

  // Horner's rule in double.
  double operator()(double x) const;
  Polynomial Derivative() const;

  const std::vector<double>& coefficients() const { return coefficients_; }
  // -1 for the zero polynomial without coefficients. Leading zeros count.
  int degree() const { return static_cast<int>(coefficients_.size()) - 1; }

 private:
  std::vector<double> coefficients_;
};

// The real roots of f in [range.lo, range.hi], ascending, each once (also where f only touches
// zero), by recursion on the derivative and bisection to the last bit. A polynomial that is zero
// everywhere has none.
std::vector<double> RealRoots(const Polynomial& f, const Interval& range);

// The maximal stretches of [range.lo, range.hi] on which f < 0, ascending.
std::vector<Interval> NegativeStretches(const Polynomial& f, const Interval& range);

// The maximal stretches of [range.lo, range.hi] on which f' < 0, ascending.
std::vector<Interval> DecreasingStretches(const Polynomial& f, const Interval& range);

// "[c_n, ..., c_0]" with the shortest decimals that read back to the same doubles.
std::string FormatCoefficients(std::span<const double> coefficients);

}  // namespace teacache
