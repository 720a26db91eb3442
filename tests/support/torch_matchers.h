#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <sstream>

namespace teacache {

namespace internal {

inline std::string PositionOf(int64_t flat, at::IntArrayRef sizes) {
  std::vector<int64_t> position(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    position[d] = flat % sizes[d];
    flat /= sizes[d];
  }
  std::ostringstream text;
  text << at::IntArrayRef(position);
  return text.str();
}

}  // namespace internal

// Are two tensors of one shape equal within atol + rtol * |expected| (compared in double; NaN
// equals NaN)? The data types may differ. The failure text names the largest difference and its
// place.
inline testing::AssertionResult TensorsNear(const at::Tensor& actual,
                                            const at::Tensor& expected,
                                            double rtol,
                                            double atol) {
  if (!actual.defined() || !expected.defined()) {
    return testing::AssertionFailure() << "a tensor is undefined";
  }
  if (actual.sizes() != expected.sizes()) {
    return testing::AssertionFailure()
           << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  const at::Tensor a = actual.detach().cpu().to(at::kDouble).flatten();
  const at::Tensor b = expected.detach().cpu().to(at::kDouble).flatten();
  const at::Tensor close = at::isclose(a, b, rtol, atol, /*equal_nan=*/true);
  const int64_t bad = a.numel() - close.sum().item<int64_t>();
  if (bad == 0) {
    return testing::AssertionSuccess();
  }
  const at::Tensor diff = (a - b).abs().masked_fill(close, -1).nan_to_num(1e300, 1e300, 1e300);
  const int64_t worst = diff.argmax().item<int64_t>();
  return testing::AssertionFailure()
         << bad << " of " << a.numel() << " values differ by more than " << atol << " + " << rtol
         << " * |expected|; largest difference " << (a[worst] - b[worst]).abs().item<double>()
         << " at " << internal::PositionOf(worst, actual.sizes()) << ": "
         << testing::PrintToString(a[worst].item<double>()) << ", expected "
         << testing::PrintToString(b[worst].item<double>()) << "; max|expected| "
         << b.abs().max().item<double>();
}

// |actual - expected| <= tol * max|expected|: for tensors whose small values are sums of large
// ones.
inline testing::AssertionResult TensorsNearRel(const at::Tensor& actual,
                                               const at::Tensor& expected,
                                               double tol) {
  const double largest =
      expected.numel() == 0 ? 0 : expected.detach().to(at::kDouble).abs().max().item<double>();
  return TensorsNear(actual, expected, 0, tol * largest);
}

// Same shape, same data type, same values bit for bit (NaN equals NaN).
inline testing::AssertionResult TensorsEqual(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.scalar_type() != expected.scalar_type()) {
    return testing::AssertionFailure()
           << "dtype " << actual.scalar_type() << ", expected " << expected.scalar_type();
  }
  return TensorsNear(actual, expected, 0, 0);
}

}  // namespace teacache
