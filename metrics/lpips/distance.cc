#include "metrics/lpips/distance.h"

#include <cmath>

#include "metrics/lpips/distance_kernel.h"

namespace teacache {
namespace {

// The formula of NormalizedDistance in double.
void PlainNormalizedDistance(const double* a,
                             const double* b,
                             const double* head,
                             size_t channels,
                             size_t pixels,
                             double* out) {
  for (size_t p = 0; p < pixels; ++p, a += channels, b += channels) {
    double norm_a = 0, norm_b = 0, sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      norm_a += a[c] * a[c];
      norm_b += b[c] * b[c];
    }
    norm_a = std::sqrt(norm_a) + 1e-10;
    norm_b = std::sqrt(norm_b) + 1e-10;
    for (size_t c = 0; c < channels; ++c) {
      const double difference = a[c] / norm_a - b[c] / norm_b;
      sum += head[c] * difference * difference;
    }
    out[p] = sum;
  }
}

template <typename T>
double WeightedSum(const std::vector<T>& values,
                   const std::vector<double>& wy,
                   const std::vector<double>& wx) {
  double total = 0;
  for (size_t y = 0; y < wy.size(); ++y) {
    double row = 0;
    for (size_t x = 0; x < wx.size(); ++x) row += wx[x] * values[y * wx.size() + x];
    total += wy[y] * row;
  }
  return total;
}

}  // namespace

double LayerDistance(const at::Tensor& a,
                     const at::Tensor& b,
                     const at::Tensor& head,
                     const std::vector<double>& wy,
                     const std::vector<double>& wx) {
  const at::Tensor left = a.permute({1, 2, 0}).contiguous();
  const at::Tensor right = b.permute({1, 2, 0}).contiguous();
  const size_t channels = a.size(0), pixels = size_t(a.size(1)) * a.size(2);
  if (a.scalar_type() == at::kDouble) {
    std::vector<double> map(pixels);
    PlainNormalizedDistance(left.const_data_ptr<double>(),
                            right.const_data_ptr<double>(),
                            head.const_data_ptr<double>(),
                            channels,
                            pixels,
                            map.data());
    return WeightedSum(map, wy, wx);
  }
  std::vector<float> map(pixels);
  NormalizedDistance(left.const_data_ptr<float>(),
                     right.const_data_ptr<float>(),
                     head.const_data_ptr<float>(),
                     channels,
                     pixels,
                     map.data());
  return WeightedSum(map, wy, wx);
}

}  // namespace teacache
