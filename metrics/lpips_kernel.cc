// Normalise, subtract, square and weigh in one go: no difference tensors, and the features of a few
// pixels stay in the cache between the two passes over their channels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/lpips_kernel.cc"
#include "metrics/lpips_kernel.h"

#include <hwy/foreach_target.h>  // NOLINT: must come before highway.h
#include <hwy/highway.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace teacache {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void NormalizedDistanceImpl(const float* a,
                            const float* b,
                            const float* head,
                            size_t channels,
                            size_t stride,
                            size_t count,
                            float* out) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto one = hn::Set(d, 1.0f);
  const auto eps = hn::Set(d, 1e-10f);
  size_t p = 0;
  for (; p + 2 * lanes <= count; p += 2 * lanes) {
    auto a0 = hn::Zero(d), a1 = hn::Zero(d), b0 = hn::Zero(d), b1 = hn::Zero(d);
    for (size_t c = 0; c < channels; ++c) {
      const float* pa = a + c * stride + p;
      const float* pb = b + c * stride + p;
      const auto va0 = hn::LoadU(d, pa), va1 = hn::LoadU(d, pa + lanes);
      const auto vb0 = hn::LoadU(d, pb), vb1 = hn::LoadU(d, pb + lanes);
      a0 = hn::MulAdd(va0, va0, a0);
      a1 = hn::MulAdd(va1, va1, a1);
      b0 = hn::MulAdd(vb0, vb0, b0);
      b1 = hn::MulAdd(vb1, vb1, b1);
    }
    a0 = hn::Div(one, hn::Add(hn::Sqrt(a0), eps));
    a1 = hn::Div(one, hn::Add(hn::Sqrt(a1), eps));
    b0 = hn::Div(one, hn::Add(hn::Sqrt(b0), eps));
    b1 = hn::Div(one, hn::Add(hn::Sqrt(b1), eps));
    auto sum0 = hn::Zero(d), sum1 = hn::Zero(d);
    for (size_t c = 0; c < channels; ++c) {
      const float* pa = a + c * stride + p;
      const float* pb = b + c * stride + p;
      const auto weight = hn::Set(d, head[c]);
      // Two products and then the difference, not one fused: equal features must give exactly 0.
      const auto d0 = hn::Sub(hn::Mul(hn::LoadU(d, pa), a0), hn::Mul(hn::LoadU(d, pb), b0));
      const auto d1 =
          hn::Sub(hn::Mul(hn::LoadU(d, pa + lanes), a1), hn::Mul(hn::LoadU(d, pb + lanes), b1));
      sum0 = hn::MulAdd(hn::Mul(d0, d0), weight, sum0);
      sum1 = hn::MulAdd(hn::Mul(d1, d1), weight, sum1);
    }
    hn::StoreU(sum0, d, out + p);
    hn::StoreU(sum1, d, out + p + lanes);
  }
  for (; p < count; ++p) {
    float sum_a = 0, sum_b = 0;
    for (size_t c = 0; c < channels; ++c) {
      sum_a += a[c * stride + p] * a[c * stride + p];
      sum_b += b[c * stride + p] * b[c * stride + p];
    }
    const float scale_a = 1 / (std::sqrt(sum_a) + 1e-10f);
    const float scale_b = 1 / (std::sqrt(sum_b) + 1e-10f);
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      const float x = a[c * stride + p] * scale_a;
      const float y = b[c * stride + p] * scale_b;
      sum += head[c] * ((x - y) * (x - y));
    }
    out[p] = sum;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace teacache
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace teacache {

HWY_EXPORT(NormalizedDistanceImpl);

void NormalizedDistance(const float* a,
                        const float* b,
                        const float* head,
                        size_t channels,
                        size_t stride,
                        size_t count,
                        float* out) {
  HWY_DYNAMIC_DISPATCH(NormalizedDistanceImpl)(a, b, head, channels, stride, count, out);
}

}  // namespace teacache
#endif  // HWY_ONCE
