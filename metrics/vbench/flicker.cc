#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/vbench/flicker.cc"
#include "metrics/vbench/flicker.h"

#include <hwy/foreach_target.h>  // NOLINT: must come before highway.h
#include <hwy/highway.h>

#include <algorithm>

#include "datasets/base/error.h"

HWY_BEFORE_NAMESPACE();
namespace teacache {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

uint64_t AbsoluteDifferenceU8(const uint8_t* a, const uint8_t* b, size_t n) {
  uint64_t sum = 0;
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint8_t> d8;
  const hn::Repartition<uint64_t, decltype(d8)> d64;
  const size_t lanes = hn::Lanes(d8);
  // Two sums, so that an addition need not wait for the one before.
  auto even = hn::Zero(d64), odd = hn::Zero(d64);
  const auto at = [&](size_t k) HWY_ATTR {
    const auto va = hn::LoadU(d8, a + k), vb = hn::LoadU(d8, b + k);
    return hn::SumsOf8(hn::Or(hn::SaturatedSub(va, vb), hn::SaturatedSub(vb, va)));
  };
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    even = hn::Add(even, at(i));
    odd = hn::Add(odd, at(i + lanes));
  }
  sum = hn::GetLane(hn::SumOfLanes(d64, hn::Add(even, odd)));
#endif
  for (; i < n; ++i) sum += a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace teacache
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace teacache {

HWY_EXPORT(AbsoluteDifferenceU8);

uint64_t AbsoluteDifference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return HWY_DYNAMIC_DISPATCH(AbsoluteDifferenceU8)(
      a.data(), b.data(), std::min(a.size(), b.size()));
}

void FlickerSum::Add(const Frame& frame) {
  if (!previous_.rgb.empty()) {
    if (frame.rgb.size() != previous_.rgb.size() || frame.width != previous_.width) {
      ThrowUserError("frames",
                     "must all be {}x{} but one is {}x{}",
                     previous_.width,
                     previous_.height,
                     frame.width,
                     frame.height);
    }
    sum_ += static_cast<double>(AbsoluteDifference(previous_.rgb, frame.rgb)) /
            static_cast<double>(frame.rgb.size());
    ++pairs_;
  }
  previous_ = frame;
}

double FlickerSum::Score() const {
  if (pairs_ == 0) ThrowUserError("temporal_flickering", "needs at least 2 frames");
  return (255.0 - sum_ / static_cast<double>(pairs_)) / 255.0;
}

}  // namespace teacache
#endif  // HWY_ONCE
