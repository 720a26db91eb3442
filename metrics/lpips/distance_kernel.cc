// Normalise, subtract, square and weigh in one go: no difference tensors, and the features of a
// pixel stay in the cache between the two passes over its channels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/lpips/distance_kernel.cc"
#include "metrics/lpips/distance_kernel.h"

#include <hwy/foreach_target.h>  // NOLINT: must come before highway.h
#include <hwy/highway.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace teacache {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 1 / (|row| + 1e-10)
float InverseNorm(const float* row, size_t channels) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto even = hn::Zero(d), odd = hn::Zero(d);
  size_t c = 0;
  for (; c + 2 * lanes <= channels; c += 2 * lanes) {
    const auto v0 = hn::LoadU(d, row + c), v1 = hn::LoadU(d, row + c + lanes);
    even = hn::MulAdd(v0, v0, even);
    odd = hn::MulAdd(v1, v1, odd);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; c < channels; ++c) sum += row[c] * row[c];
  return 1 / (std::sqrt(sum) + 1e-10f);
}

float WeighedDistance(const float* a, const float* b, const float* head, size_t channels) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const float scale_a = InverseNorm(a, channels), scale_b = InverseNorm(b, channels);
  const auto sa = hn::Set(d, scale_a), sb = hn::Set(d, scale_b);
  auto sum = hn::Zero(d);
  size_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    // Two products and then the difference, not one fused: equal features must give exactly 0.
    const auto x = hn::Mul(hn::LoadU(d, a + c), sa), y = hn::Mul(hn::LoadU(d, b + c), sb);
    const auto difference = hn::Sub(x, y);
    sum = hn::MulAdd(hn::Mul(difference, difference), hn::LoadU(d, head + c), sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < channels; ++c) {
    const float x = a[c] * scale_a;
    const float y = b[c] * scale_b;
    total += head[c] * ((x - y) * (x - y));
  }
  return total;
}

void NormalizedDistanceImpl(
    const float* a, const float* b, const float* head, size_t channels, size_t pixels, float* out) {
  for (size_t p = 0; p < pixels; ++p) {
    out[p] = WeighedDistance(a + p * channels, b + p * channels, head, channels);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace teacache
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace teacache {

HWY_EXPORT(NormalizedDistanceImpl);

void NormalizedDistance(
    const float* a, const float* b, const float* head, size_t channels, size_t pixels, float* out) {
  HWY_DYNAMIC_DISPATCH(NormalizedDistanceImpl)(a, b, head, channels, pixels, out);
}

}  // namespace teacache
#endif  // HWY_ONCE
