#include "calib/fit/polynomial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace teacache {
namespace {

// The root of f in (lo, hi), where f has different signs, to the last bit.
double Bisect(const Polynomial& f, double lo, double hi) {
  const bool lo_negative = f(lo) < 0;
  while (true) {
    const double middle = lo + (hi - lo) / 2;
    if (middle <= lo || middle >= hi) {
      return std::fabs(f(lo)) <= std::fabs(f(hi)) ? lo : hi;
    }
    if ((f(middle) < 0) == lo_negative) {
      lo = middle;
    } else {
      hi = middle;
    }
  }
}

// Stretches between neighbouring cuts on which f is negative, joined where they touch at a point at
// which f is negative too.
std::vector<Interval> NegativeBetween(const Polynomial& f, const Interval& range) {
  std::vector<double> cuts = {range.lo};
  for (double root : RealRoots(f, range)) {
    if (root > range.lo && root < range.hi) cuts.push_back(root);
  }
  cuts.push_back(range.hi);
  std::vector<Interval> stretches;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const double middle = cuts[i] + (cuts[i + 1] - cuts[i]) / 2;
    if (!(f(middle) < 0)) continue;
    if (!stretches.empty() && stretches.back().hi == cuts[i] && f(cuts[i]) < 0) {
      stretches.back().hi = cuts[i + 1];
    } else {
      stretches.push_back({cuts[i], cuts[i + 1]});
    }
  }
  return stretches;
}

}  // namespace

double Polynomial::operator()(double x) const {
  double value = 0;
  for (double c : coefficients_) value = value * x + c;
  return value;
}

Polynomial Polynomial::Derivative() const {
  const int n = degree();
  if (n < 1) return Polynomial();
  std::vector<double> derivative(n);
  for (int i = 0; i < n; ++i) derivative[i] = coefficients_[i] * (n - i);
  return Polynomial(std::move(derivative));
}

std::vector<double> RealRoots(const Polynomial& f, const Interval& range) {
  const std::vector<double>& c = f.coefficients();
  const auto first = std::find_if(c.begin(), c.end(), [](double value) { return value != 0; });
  const Polynomial g(std::vector<double>(first, c.end()));
  if (g.degree() < 1 || !(range.lo <= range.hi)) return {};

  // Between neighbouring extrema g is monotone, so it has at most one root there.
  std::vector<double> knots = {range.lo};
  for (double x : RealRoots(g.Derivative(), range)) knots.push_back(x);
  knots.push_back(range.hi);
  std::vector<double> roots;
  const auto add = [&roots](double x) {
    if (roots.empty() || x > roots.back()) roots.push_back(x);
  };
  for (size_t i = 0; i < knots.size(); ++i) {
    const double value = g(knots[i]);
    if (value == 0) {
      add(knots[i]);
    } else if (i + 1 < knots.size()) {
      const double next = g(knots[i + 1]);
      if (next != 0 && (value < 0) != (next < 0)) add(Bisect(g, knots[i], knots[i + 1]));
    }
  }
  return roots;
}

std::vector<Interval> NegativeStretches(const Polynomial& f, const Interval& range) {
  return NegativeBetween(f, range);
}

std::vector<Interval> DecreasingStretches(const Polynomial& f, const Interval& range) {
  return NegativeBetween(f.Derivative(), range);
}

std::string FormatCoefficients(std::span<const double> coefficients) {
  return fmt::format("[{}]", fmt::join(coefficients.begin(), coefficients.end(), ", "));
}

}  // namespace teacache
