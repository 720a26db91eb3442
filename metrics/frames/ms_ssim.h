#pragma once

#include <span>
#include <vector>

#include "metrics/metric.h"

namespace teacache {

// Multi-scale SSIM of Wang, Simoncelli, Bovik (2003), five scales:
//
//   MS-SSIM = l_5^w5 prod_s c_s^ws, w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333,
//
// c_s the contrast term (GaussianContrast) of scale s = 1 ... 4, and for scale 5 the whole SSIM in
// its place, of pictures reflected by 5 pixels; means over windows and R, G, B. Each scale is the
// one before with every 2x2 pixels averaged; an odd last row or column is left out. Negative means
// count as 0. This is torchmetrics' multiscale_structural_similarity_index_measure. 0 ... 1, 1 =
// identical; within 1e-6 of the formula in double.
//
// Throws UserError for pictures of different sizes or smaller than kMsSsimMinSize.
double MsSsim(const Frame& gt, const Frame& gen);

inline constexpr int kMsSsimMinSize = 176;  // one window of 11x11 at the fifth scale

class MsSsimMetric : public Metric {
 public:
  MsSsimMetric();
  int MinSize() const override { return kMsSsimMinSize; }
  std::vector<double> Score(std::span<const FramePair> pairs) const override;
};

}  // namespace teacache
