// The 11x11 Gaussian SSIM, vectorised.
//
// With u = a + b and v = a - b only four filtered planes are needed instead of five:
//
//   4 ma mb = mu^2 - mv^2,  2 (ma^2 + mb^2) = mu^2 + mv^2, and the same for the (co)variances,
//   1 - SSIM = 2 (P B + Q A) / ((P + Q) (A + B)),
//   P = mu^2 + 2 C1, Q = mv^2, A = suu + 2 C2, B = svv,
//
// and for the contrast term alone, (2 sab + C2) / (saa + sbb + C2), 1 - contrast = 2 B / (A + B),
// which has no cancellation: identical pictures give exactly 0, and the rounding of suu, the large
// one, hardly counts where the pictures are alike.
//
// float32 is enough only if squares are taken about a value close to the window's mean: on a flat
// white frame E[u^2] - E[u]^2 would lose 1e-4 of C2. Vertically the centre is the mean of two
// samples of the same column, c_j; horizontally it is k, the mean of four of these within 32
// pixels; the law of total variance joins them:
//
//   var = sum_j w_j (V_j + d_j^2) - (sum_j w_j d_j)^2,  d_j = (c_j - k) + o_j,
//
// with c_j + o_j and V_j the vertical mean and variance of column j. c_j and k are multiples of
// 1/8, so that c_j - k is exact.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/frames/ssim_kernel.cc"
#include "metrics/frames/ssim_kernel.h"

#include <hwy/aligned_allocator.h>
#include <hwy/foreach_target.h>  // NOLINT: must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "metrics/frames/ssim_window.h"

// clang-format off
#ifndef TEACACHE_METRICS_SSIM_KERNEL_ONCE
#define TEACACHE_METRICS_SSIM_KERNEL_ONCE
// clang-format on
namespace teacache {

inline constexpr int kSsimGroup = 4;                          // rows of windows done together
inline constexpr int kSsimRows = kSsimGroup + kSsimTaps - 1;  // rows of samples they need
inline constexpr int kSsimStrip = 160;                        // columns of windows done together
inline constexpr int kSsimSegment = 32;                       // columns that share a centre

}  // namespace teacache
#endif  // TEACACHE_METRICS_SSIM_KERNEL_ONCE

HWY_BEFORE_NAMESPACE();
namespace teacache {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
#if HWY_TARGET == HWY_SCALAR
using DD = hn::ScalableTag<double>;
#else
using DD = hn::Repartition<double, DF>;
#endif
using VD = hn::Vec<DD>;

// sum + values, lane by lane in double (both halves of `values` onto the same lanes).
HWY_INLINE VD AddToDouble(VD sum, VF values) {
  const DD dd;
#if HWY_TARGET == HWY_SCALAR
  return hn::Add(sum, hn::PromoteTo(dd, values));
#else
  const hn::Half<DF> dh;
  sum = hn::Add(sum, hn::PromoteTo(dd, hn::LowerHalf(dh, values)));
  return hn::Add(sum, hn::PromoteTo(dd, hn::UpperHalf(dh, values)));
#endif
}

// Rows of floats with room for whole vectors behind the last sample.
class RowBuffer {
 public:
  RowBuffer(size_t rows, size_t columns)
      : stride_(hwy::RoundUpTo(columns + 3 * hn::Lanes(DF()), hn::Lanes(DF()))),
        data_(hwy::AllocateAligned<float>(rows * stride_)) {
    std::fill_n(data_.get(), rows * stride_, 0.0f);
  }
  float* Row(size_t row) { return data_.get() + row * stride_; }
  size_t stride() const { return stride_; }

 private:
  size_t stride_;
  hwy::AlignedFreeUniquePtr<float[]> data_;
};

// u = a + b and v = a - b of n samples.
template <typename T>
void SumAndDifference(
    const T* a, const T* b, size_t n, float* HWY_RESTRICT u, float* HWY_RESTRICT v) {
  const DF df;
  const hn::Rebind<int32_t, DF> di;
  const hn::Rebind<T, DF> dt;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto va = hn::PromoteTo(di, hn::LoadU(dt, a + i));
    const auto vb = hn::PromoteTo(di, hn::LoadU(dt, b + i));
    hn::Store(hn::ConvertTo(df, hn::Add(va, vb)), df, u + i);
    hn::Store(hn::ConvertTo(df, hn::Sub(va, vb)), df, v + i);
  }
  for (; i < n; ++i) {
    u[i] = static_cast<float>(int{a[i]} + int{b[i]});
    v[i] = static_cast<float>(int{a[i]} - int{b[i]});
  }
}

// Adds row `kRow` of the group's samples to the windows (rows 0 ... 3 of the group) it belongs to.
template <int kRow>
HWY_INLINE void AddRow(const float* row, VF center, const VF* w, VF* m1, VF* m2) {
  const DF df;
  const VF d = hn::Sub(hn::Load(df, row), center);
  const VF s = hn::Mul(d, d);
  const auto add = [&](int window, int tap) HWY_ATTR {
    const VF weight = w[tap <= 5 ? tap : 10 - tap];
    m1[window] = hn::MulAdd(weight, d, m1[window]);
    m2[window] = hn::MulAdd(weight, s, m2[window]);
  };
  if constexpr (kRow - 0 >= 0 && kRow - 0 < kSsimTaps) add(0, kRow - 0);
  if constexpr (kRow - 1 >= 0 && kRow - 1 < kSsimTaps) add(1, kRow - 1);
  if constexpr (kRow - 2 >= 0 && kRow - 2 < kSsimTaps) add(2, kRow - 2);
  if constexpr (kRow - 3 >= 0 && kRow - 3 < kSsimTaps) add(3, kRow - 3);
}

// What the vertical pass finds for a group of windows of one plane (u or v).
struct Moments {
  explicit Moments(size_t columns)
      : center(1, columns), offset(kSsimGroup, columns), variance(kSsimGroup, columns) {}
  RowBuffer center;
  RowBuffer offset;  // mean - center
  RowBuffer variance;
};

// A centre per column, and relative to it the weighted mean of eleven rows, and their variance, for
// four windows one below the other.
void VerticalMoments(const float* const* rows, size_t n, Moments& out) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  const VF half = hn::Set(df, 0.5f);
  VF w[6];
  for (int i = 0; i < 6; ++i) w[i] = hn::Set(df, kSsimWeights[i]);
  for (size_t x = 0; x < n; x += lanes) {
    const VF center = hn::Mul(half, hn::Add(hn::Load(df, rows[4] + x), hn::Load(df, rows[9] + x)));
    VF m1[kSsimGroup] = {hn::Zero(df), hn::Zero(df), hn::Zero(df), hn::Zero(df)};
    VF m2[kSsimGroup] = {hn::Zero(df), hn::Zero(df), hn::Zero(df), hn::Zero(df)};
    AddRow<0>(rows[0] + x, center, w, m1, m2);
    AddRow<1>(rows[1] + x, center, w, m1, m2);
    AddRow<2>(rows[2] + x, center, w, m1, m2);
    AddRow<3>(rows[3] + x, center, w, m1, m2);
    AddRow<4>(rows[4] + x, center, w, m1, m2);
    AddRow<5>(rows[5] + x, center, w, m1, m2);
    AddRow<6>(rows[6] + x, center, w, m1, m2);
    AddRow<7>(rows[7] + x, center, w, m1, m2);
    AddRow<8>(rows[8] + x, center, w, m1, m2);
    AddRow<9>(rows[9] + x, center, w, m1, m2);
    AddRow<10>(rows[10] + x, center, w, m1, m2);
    AddRow<11>(rows[11] + x, center, w, m1, m2);
    AddRow<12>(rows[12] + x, center, w, m1, m2);
    AddRow<13>(rows[13] + x, center, w, m1, m2);
    hn::Store(center, df, out.center.Row(0) + x);
    for (int g = 0; g < kSsimGroup; ++g) {
      hn::Store(m1[g], df, out.offset.Row(g) + x);
      hn::Store(hn::NegMulAdd(m1[g], m1[g], m2[g]), df, out.variance.Row(g) + x);
    }
  }
}

// One row of windows of one plane (u or v) before the horizontal pass.
struct PlaneRow {
  const float* center;    // what `offset` is relative to
  const float* offset;    // vertical mean - center
  const float* variance;  // vertical variance
};

// d = (center - k) + offset and e = variance + d^2 of n samples from `row` at x; k repeats every
// three vectors.
HWY_INLINE void CenterRow(const PlaneRow& row,
                          size_t x,
                          const VF* k,
                          size_t n,
                          float* HWY_RESTRICT d,
                          float* HWY_RESTRICT e) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  for (size_t i = 0; i < n; i += 3 * lanes) {
    for (size_t j = 0; j < 3; ++j) {
      const size_t at = i + j * lanes;
      const VF diff = hn::Add(hn::Sub(hn::LoadU(df, row.center + x + at), k[j]),
                              hn::LoadU(df, row.offset + x + at));
      hn::Store(diff, df, d + at);
      hn::Store(hn::MulAdd(diff, diff, hn::LoadU(df, row.variance + x + at)), df, e + at);
    }
  }
}

template <int kChannels>
HWY_INLINE VF FilterRow(const float* row, const VF* w) {
  const DF df;
  VF even = hn::Mul(w[0], hn::LoadU(df, row));
  VF odd = hn::Mul(w[1], hn::LoadU(df, row + kChannels));
  even = hn::MulAdd(w[2], hn::LoadU(df, row + 2 * kChannels), even);
  odd = hn::MulAdd(w[3], hn::LoadU(df, row + 3 * kChannels), odd);
  even = hn::MulAdd(w[4], hn::LoadU(df, row + 4 * kChannels), even);
  odd = hn::MulAdd(w[5], hn::LoadU(df, row + 5 * kChannels), odd);
  even = hn::MulAdd(w[4], hn::LoadU(df, row + 6 * kChannels), even);
  odd = hn::MulAdd(w[3], hn::LoadU(df, row + 7 * kChannels), odd);
  even = hn::MulAdd(w[2], hn::LoadU(df, row + 8 * kChannels), even);
  odd = hn::MulAdd(w[1], hn::LoadU(df, row + 9 * kChannels), odd);
  even = hn::MulAdd(w[0], hn::LoadU(df, row + 10 * kChannels), even);
  return hn::Add(even, odd);
}

// The centre of a segment of `columns` pixels: the mean of four, by channel, as three vectors that
// repeat.
template <int kChannels>
HWY_INLINE void SegmentCenter(const float* row, size_t columns, VF* center) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  float mean[kChannels] = {};
  for (size_t i = 1; i < 8; i += 2) {
    for (size_t c = 0; c < kChannels; ++c) mean[c] += 0.25f * row[columns * i / 8 * kChannels + c];
  }
  HWY_ALIGN float pattern[3 * hn::MaxLanes(DF())];
  for (size_t i = 0; i < 3 * lanes; ++i) pattern[i] = mean[i % kChannels];
  for (size_t j = 0; j < 3; ++j) center[j] = hn::Load(df, pattern + j * lanes);
}

// Sum of 1 - SSIM, or of 1 - contrast, over one row of a strip, n samples of windows.
template <int kChannels, bool kContrast>
double RowDeficit(const PlaneRow& row_u,
                  const PlaneRow& row_v,
                  size_t n,
                  float c1,
                  float c2,
                  RowBuffer& scratch) {
  const DF df;
  const DD dd;
  const size_t lanes = hn::Lanes(df);
  constexpr size_t kSegment = kSsimSegment * kChannels;
  constexpr size_t kHalo = (kSsimTaps - 1) * kChannels;
  VF w[6];
  for (int i = 0; i < 6; ++i) w[i] = hn::Set(df, kSsimWeights[i]);
  const VF two_c1 = hn::Set(df, 2 * c1);
  const VF two_c2 = hn::Set(df, 2 * c2);
  float* du = scratch.Row(0);
  float* eu = scratch.Row(1);
  float* dv = scratch.Row(2);
  float* ev = scratch.Row(3);
  auto sum = hn::Zero(dd);
  for (size_t x = 0; x < n; x += kSegment) {
    const size_t count = std::min(kSegment, n - x);
    const size_t columns = count / kChannels + kSsimTaps - 1;
    VF center_u[3], center_v[3];
    SegmentCenter<kChannels>(row_u.center + x, columns, center_u);
    SegmentCenter<kChannels>(row_v.center + x, columns, center_v);
    CenterRow(row_u, x, center_u, count + kHalo, du, eu);
    CenterRow(row_v, x, center_v, count + kHalo, dv, ev);
    for (size_t i = 0, phase = 0; i < count; i += lanes, phase = phase == 2 ? 0 : phase + 1) {
      const VF shift_u = FilterRow<kChannels>(du + i, w);
      const VF shift_v = FilterRow<kChannels>(dv + i, w);
      const VF a =
          hn::Add(hn::NegMulAdd(shift_u, shift_u, FilterRow<kChannels>(eu + i, w)), two_c2);
      const VF b = hn::NegMulAdd(shift_v, shift_v, FilterRow<kChannels>(ev + i, w));
      VF deficit;
      if constexpr (kContrast) {
        deficit = hn::Div(b, hn::Add(a, b));
      } else {
        const VF mu = hn::Add(shift_u, center_u[phase]);
        const VF mv = hn::Add(shift_v, center_v[phase]);
        const VF p = hn::MulAdd(mu, mu, two_c1);
        const VF q = hn::Mul(mv, mv);
        const VF numerator = hn::MulAdd(p, b, hn::Mul(q, a));
        deficit = hn::Div(numerator, hn::Mul(hn::Add(p, q), hn::Add(a, b)));
      }
      if (i + lanes > count) deficit = hn::IfThenElseZero(hn::FirstN(df, count - i), deficit);
      sum = AddToDouble(sum, deficit);
    }
  }
  return 2 * hn::GetLane(hn::SumOfLanes(dd, sum));
}

template <int kChannels, bool kContrast, typename T>
double Deficit(const T* a, const T* b, int width, int height, double peak) {
  const size_t row_samples = size_t(width) * kChannels;
  const int window_rows = height - (kSsimTaps - 1);
  const int window_columns = width - (kSsimTaps - 1);
  const float c1 = static_cast<float>(0.0001 * peak * peak);
  const float c2 = static_cast<float>(0.0009 * peak * peak);
  constexpr size_t kColumns = (kSsimStrip + kSsimTaps - 1) * kChannels;
  RowBuffer ring_u(kSsimRows, kColumns);
  RowBuffer ring_v(kSsimRows, kColumns);
  Moments u(kColumns);
  Moments v(kColumns);
  RowBuffer scratch(4, kColumns);
  double sum = 0;
  for (int x = 0; x < window_columns; x += kSsimStrip) {
    const size_t outputs = size_t(std::min(kSsimStrip, window_columns - x)) * kChannels;
    const size_t inputs = outputs + (kSsimTaps - 1) * kChannels;
    for (int y = 0; y < window_rows; y += kSsimGroup) {
      // Rows below the picture repeat its last row: their windows are not counted.
      for (int r = y == 0 ? 0 : kSsimRows - kSsimGroup; r < kSsimRows; ++r) {
        const size_t offset =
            size_t(std::min(y + r, height - 1)) * row_samples + size_t(x) * kChannels;
        const int slot = (y + r) % kSsimRows;
        SumAndDifference(a + offset, b + offset, inputs, ring_u.Row(slot), ring_v.Row(slot));
      }
      const float* rows_u[kSsimRows];
      const float* rows_v[kSsimRows];
      for (int r = 0; r < kSsimRows; ++r) {
        rows_u[r] = ring_u.Row((y + r) % kSsimRows);
        rows_v[r] = ring_v.Row((y + r) % kSsimRows);
      }
      VerticalMoments(rows_u, inputs, u);
      VerticalMoments(rows_v, inputs, v);
      for (int g = 0; g < std::min(kSsimGroup, window_rows - y); ++g) {
        const PlaneRow row_u{u.center.Row(0), u.offset.Row(g), u.variance.Row(g)};
        const PlaneRow row_v{v.center.Row(0), v.offset.Row(g), v.variance.Row(g)};
        sum += RowDeficit<kChannels, kContrast>(row_u, row_v, outputs, c1, c2, scratch);
      }
    }
  }
  return sum;
}

double DeficitU8(
    const uint8_t* a, const uint8_t* b, int width, int height, int channels, double peak) {
  return channels == 1 ? Deficit<1, false>(a, b, width, height, peak)
                       : Deficit<3, false>(a, b, width, height, peak);
}

double DeficitU16(
    const uint16_t* a, const uint16_t* b, int width, int height, int channels, double peak) {
  return channels == 1 ? Deficit<1, false>(a, b, width, height, peak)
                       : Deficit<3, false>(a, b, width, height, peak);
}

double ContrastU8(const uint8_t* a, const uint8_t* b, int width, int height, double peak) {
  return Deficit<3, true>(a, b, width, height, peak);
}

double ContrastU16(const uint16_t* a, const uint16_t* b, int width, int height, double peak) {
  return Deficit<3, true>(a, b, width, height, peak);
}

}  // namespace HWY_NAMESPACE
}  // namespace teacache
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace teacache {

HWY_EXPORT(DeficitU8);
HWY_EXPORT(DeficitU16);
HWY_EXPORT(ContrastU8);
HWY_EXPORT(ContrastU16);

double SsimDeficit(
    const uint8_t* a, const uint8_t* b, int width, int height, int channels, double peak) {
  return HWY_DYNAMIC_DISPATCH(DeficitU8)(a, b, width, height, channels, peak);
}

double SsimDeficit(
    const uint16_t* a, const uint16_t* b, int width, int height, int channels, double peak) {
  return HWY_DYNAMIC_DISPATCH(DeficitU16)(a, b, width, height, channels, peak);
}

double ContrastDeficit(const uint8_t* a, const uint8_t* b, int width, int height, double peak) {
  return HWY_DYNAMIC_DISPATCH(ContrastU8)(a, b, width, height, peak);
}

double ContrastDeficit(const uint16_t* a, const uint16_t* b, int width, int height, double peak) {
  return HWY_DYNAMIC_DISPATCH(ContrastU16)(a, b, width, height, peak);
}

}  // namespace teacache
#endif  // HWY_ONCE
