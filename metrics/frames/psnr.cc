#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "metrics/frames/psnr.cc"
#include "metrics/frames/psnr.h"

#include <hwy/foreach_target.h>  // NOLINT: must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "datasets/base/error.h"

HWY_BEFORE_NAMESPACE();
namespace teacache {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

uint64_t SquaredErrorU8(const uint8_t* a, const uint8_t* b, size_t n) {
  uint64_t sum = 0;
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint8_t> d8;
  const hn::Repartition<int16_t, decltype(d8)> d16;
  const hn::Repartition<int32_t, decltype(d8)> d32;
  const hn::Repartition<uint32_t, decltype(d8)> du32;
  const hn::Repartition<uint64_t, decltype(d8)> d64;
  const size_t lanes = hn::Lanes(d8);
  const auto zero = hn::Zero(d8);
  // A lane of a 32-bit sum grows by at most 2 * 255^2 per step, so that 16384 steps fit.
  constexpr size_t kSteps = 8192;
  auto total = hn::Zero(d64);
  while (i + lanes <= n) {
    const size_t end = std::min(n - lanes, i + (kSteps - 1) * lanes);
    auto even0 = hn::Zero(d32);
    auto even1 = hn::Zero(d32);
    auto odd0 = hn::Zero(d32);
    auto odd1 = hn::Zero(d32);
    for (; i <= end; i += lanes) {
      const auto va = hn::LoadU(d8, a + i);
      const auto vb = hn::LoadU(d8, b + i);
      const auto diff = hn::Or(hn::SaturatedSub(va, vb), hn::SaturatedSub(vb, va));
      const auto low = hn::BitCast(d16, hn::InterleaveLower(d8, diff, zero));
      const auto high = hn::BitCast(d16, hn::InterleaveUpper(d8, diff, zero));
      even0 = hn::ReorderWidenMulAccumulate(d32, low, low, even0, even1);
      odd0 = hn::ReorderWidenMulAccumulate(d32, high, high, odd0, odd1);
    }
    for (const auto& sum : {even0, even1, odd0, odd1}) {
      const auto bits = hn::BitCast(du32, sum);
      const auto wide = hn::BitCast(d64, bits);
      total = hn::Add(total, hn::And(wide, hn::Set(d64, 0xFFFFFFFFu)));
      total = hn::Add(total, hn::ShiftRight<32>(wide));
    }
  }
  sum = hn::GetLane(hn::SumOfLanes(d64, total));
#endif
  for (; i < n; ++i) {
    const int diff = int{a[i]} - int{b[i]};
    sum += static_cast<uint64_t>(diff * diff);
  }
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace teacache
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace teacache {

HWY_EXPORT(SquaredErrorU8);

uint64_t SquaredError(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return HWY_DYNAMIC_DISPATCH(SquaredErrorU8)(a.data(), b.data(), std::min(a.size(), b.size()));
}

uint64_t SquaredError(std::span<const uint16_t> a, std::span<const uint16_t> b) {
  uint64_t sum = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const int64_t diff = int64_t{a[i]} - int64_t{b[i]};
    sum += static_cast<uint64_t>(diff * diff);
  }
  return sum;
}

double PsnrFromSquaredError(uint64_t squared_error, uint64_t count, double peak) {
  if (squared_error == 0) return std::numeric_limits<double>::infinity();
  return 10 *
         std::log10(peak * peak * static_cast<double>(count) / static_cast<double>(squared_error));
}

double Psnr(const Frame& gt, const Frame& gen) {
  if (gt.width != gen.width || gt.height != gen.height || gt.rgb.size() != gen.rgb.size()) {
    ThrowUserError("PSNR",
                   "frames must have the same size but are {}x{} and {}x{}",
                   gt.width,
                   gt.height,
                   gen.width,
                   gen.height);
  }
  return PsnrFromSquaredError(SquaredError(gt.rgb, gen.rgb), gt.rgb.size());
}

namespace {

MetricInfo PsnrInfo(double cap) {
  if (!(cap > 0)) ThrowUserError("--psnr-cap", "must be a positive number of dB but is {}", cap);
  std::string definition = "10 log10(255^2 / MSE) dB per 8-bit RGB frame, mean over frames";
  definition += std::isfinite(cap) ? fmt::format(", frames capped at {:g} dB", cap)
                                   : "; identical frames (infinite) are counted, not averaged";
  return {.name = "psnr",
          .label = "PSNR",
          .unit = "dB",
          .digits = 2,
          .best = cap,
          .definition = definition};
}

}  // namespace

PsnrMetric::PsnrMetric(double cap) : Metric(PsnrInfo(cap)) {}

std::vector<double> PsnrMetric::Score(std::span<const FramePair> pairs) const {
  std::vector<double> values;
  for (const FramePair& pair : pairs) {
    const double psnr = PsnrFromSquaredError(pair.squared_error, pair.gt->rgb.size());
    values.push_back(std::min(psnr, info().best));
  }
  return values;
}

double TeaCachePsnr(double psnr) { return psnr > 100 ? 100 : psnr; }

}  // namespace teacache
#endif  // HWY_ONCE
