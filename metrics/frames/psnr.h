#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "datasets/video/video.h"
#include "metrics/metric.h"

namespace teacache {

// Sum of squared differences, exact: integers all the way. Both spans have the same size.
uint64_t SquaredError(std::span<const uint8_t> a, std::span<const uint8_t> b);
uint64_t SquaredError(std::span<const uint16_t> a, std::span<const uint16_t> b);

// PSNR = 10 log10(peak^2 count / squared_error) in dB, over all samples of all channels together;
// +infinity where the error is zero. `peak` is the largest sample value (255 for 8 bit).
double PsnrFromSquaredError(uint64_t squared_error, uint64_t count, double peak = 255);

// PSNR of two frames of the same size, in dB; +infinity for identical frames.
// Throws UserError for frames of different sizes.
double Psnr(const Frame& gt, const Frame& gen);

// What TeaCache's calculate_psnr.py returns: 100 where the mean squared error on the scale [0, 1]
// is below 1e-10 (identical frames, and frames with a handful of differences of one level). The
// script sums in float32 and is up to 3e-6 dB away from this exact value.
double TeaCachePsnr(double psnr);

// Psnr of every frame. Values above `cap` dB, those of identical frames included, count as `cap`.
class PsnrMetric : public Metric {
 public:
  // Throws UserError for a cap that is not positive.
  explicit PsnrMetric(double cap = std::numeric_limits<double>::infinity());
  std::vector<double> Score(std::span<const FramePair> pairs) const override;
};

}  // namespace teacache
