#pragma once

#include <span>
#include <vector>

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
  int degree() const { return static_cast<int>(coefficients_.size()) - 1; }

 private:
  std::vector<double> coefficients_;
};

}  // namespace teacache
