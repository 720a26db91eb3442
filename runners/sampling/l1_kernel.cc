#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runners/sampling/l1_kernel.cc"
#include "runners/sampling/l1_kernel.h"

#include <hwy/foreach_target.h>  // NOLINT: must come before highway.h
#include <hwy/highway.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace teacache {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

L1KernelSums SumL1Impl(const float* a, const float* b, size_t n) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, hn::ScalableTag<double>> narrow;
  const size_t lanes = hn::Lanes(wide);
  // Two sums of each kind, so that an addition need not wait for the one before.
  auto diff0 = hn::Zero(wide), diff1 = hn::Zero(wide);
  auto prev0 = hn::Zero(wide), prev1 = hn::Zero(wide);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto b0 = hn::LoadU(narrow, b + i), b1 = hn::LoadU(narrow, b + i + lanes);
    const auto d0 = hn::Sub(hn::LoadU(narrow, a + i), b0);
    const auto d1 = hn::Sub(hn::LoadU(narrow, a + i + lanes), b1);
    diff0 = hn::Add(diff0, hn::PromoteTo(wide, hn::Abs(d0)));
    diff1 = hn::Add(diff1, hn::PromoteTo(wide, hn::Abs(d1)));
    prev0 = hn::Add(prev0, hn::PromoteTo(wide, hn::Abs(b0)));
    prev1 = hn::Add(prev1, hn::PromoteTo(wide, hn::Abs(b1)));
  }
  L1KernelSums sums;
  sums.diff = hn::GetLane(hn::SumOfLanes(wide, hn::Add(diff0, diff1)));
  sums.prev = hn::GetLane(hn::SumOfLanes(wide, hn::Add(prev0, prev1)));
  for (; i < n; ++i) {
    sums.diff += static_cast<double>(std::abs(a[i] - b[i]));
    sums.prev += static_cast<double>(std::abs(b[i]));
  }
  return sums;
}

}  // namespace HWY_NAMESPACE
}  // namespace teacache
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace teacache {

HWY_EXPORT(SumL1Impl);

L1KernelSums SumL1(const float* a, const float* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumL1Impl)(a, b, n);
}

}  // namespace teacache
#endif  // HWY_ONCE
