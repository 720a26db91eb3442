#pragma once

#include <ceres/loss_function.h>

#include <Eigen/Core>

#include "calib/fit/fit.h"

namespace teacache {

// The loss of a robust fit: rho(s) of a squared residual s, with a width a and u = s / a^2, as in
// Ceres 2.1 (ceres::HuberLoss, CauchyLoss, TukeyLoss):
//   Huber   s, and 2 a sqrt(s) - a^2 where u > 1
//   Cauchy  a^2 log(1 + u)
//   Tukey   a^2 / 3 (1 - (1 - u)^3), and a^2 / 3 where u > 1
class RobustLoss final : public ceres::LossFunction {
 public:
  // `scale` is the standard deviation of the noise. The width is the multiple of it that gives 95 %
  // efficiency for normal noise. `method` must be a robust one.
  RobustLoss(FitOptions::Method method, double scale);

  double width() const { return width_; }

  // Ceres' interface: rho(s), rho'(s), rho''(s).
  void Evaluate(double s, double rho[3]) const override;

  // The same for an Eigen array of squared residuals. rho' is the weight of a pair in iteratively
  // reweighted least squares.
  template <typename Array>
  Array Value(const Array& s) const;
  template <typename Array>
  Array First(const Array& s) const;
  // `first` is First(s).
  template <typename Array>
  Array Second(const Array& s, const Array& first) const;

 private:
  using Method = FitOptions::Method;

  Method method_;
  double width_;
};

template <typename Array>
Array RobustLoss::Value(const Array& s) const {
  const double a2 = width_ * width_;
  if (method_ == Method::kHuber) return (s <= a2).select(s, 2 * width_ * s.sqrt() - a2);
  if (method_ == Method::kCauchy) return a2 * (s / a2).log1p();
  return a2 / 3 * (1 - (1 - s / a2).max(0.0).cube());
}

template <typename Array>
Array RobustLoss::First(const Array& s) const {
  const double a2 = width_ * width_;
  if (method_ == Method::kHuber) return (s / a2).max(1.0).rsqrt();
  if (method_ == Method::kCauchy) return (1 + s / a2).inverse();
  return (1 - s / a2).max(0.0).square();
}

template <typename Array>
Array RobustLoss::Second(const Array& s, const Array& first) const {
  const double a2 = width_ * width_;
  if (method_ == Method::kHuber) {
    return (s <= a2).select(Array::Zero(s.size()), -0.5 * first / s);
  }
  if (method_ == Method::kCauchy) return -first.square() / a2;
  return -2 / a2 * (1 - s / a2).max(0.0);
}

}  // namespace teacache
