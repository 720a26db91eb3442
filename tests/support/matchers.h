#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <ranges>
#include <span>
#include <vector>

namespace teacache {

namespace internal {

// |actual - expected| <= atol + rtol * |expected|; NaN equals NaN, an infinity only itself.
inline bool Close(double actual, double expected, double rtol, double atol) {
  if (std::isnan(expected) || std::isnan(actual)) {
    return std::isnan(expected) && std::isnan(actual);
  }
  if (std::isinf(expected) || std::isinf(actual)) {
    return expected == actual;
  }
  return std::abs(actual - expected) <= atol + rtol * std::abs(expected);
}

}  // namespace internal

// Are two ranges of numbers equal within atol + rtol * |expected|? The failure text names the first
// place that differs, the largest difference and its place: EXPECT_TRUE(Near(a, b, 0, 1e-9)).
template <std::ranges::input_range A, std::ranges::input_range B>
testing::AssertionResult Near(const A& actual, const B& expected, double rtol, double atol) {
  const std::vector<double> a(std::ranges::begin(actual), std::ranges::end(actual));
  const std::vector<double> b(std::ranges::begin(expected), std::ranges::end(expected));
  if (a.size() != b.size()) {
    return testing::AssertionFailure() << a.size() << " values, expected " << b.size();
  }
  size_t bad = 0, first = 0, worst = 0;
  double worst_diff = -1;
  for (size_t i = 0; i < a.size(); ++i) {
    if (internal::Close(a[i], b[i], rtol, atol)) {
      continue;
    }
    first = bad++ == 0 ? i : first;
    const double diff = std::abs(a[i] - b[i]);
    const double rank = std::isnan(diff) ? std::numeric_limits<double>::infinity() : diff;
    if (rank > worst_diff) {
      worst_diff = rank;
      worst = i;
    }
  }
  if (bad == 0) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << bad << " of " << a.size() << " values differ by more than " << atol << " + " << rtol
         << " * |expected|; first at [" << first << "]: " << testing::PrintToString(a[first])
         << ", expected " << testing::PrintToString(b[first]) << "; largest difference "
         << worst_diff << " at [" << worst << "]: " << testing::PrintToString(a[worst])
         << ", expected " << testing::PrintToString(b[worst]);
}

// Near with an error relative to the largest magnitude of `expected`: |a - b| <= tol * max|b|.
template <std::ranges::input_range A, std::ranges::input_range B>
testing::AssertionResult NearRel(const A& actual, const B& expected, double tol) {
  double largest = 0;
  for (const auto& value : expected) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  return Near(actual, expected, 0, tol * largest);
}

}  // namespace teacache
