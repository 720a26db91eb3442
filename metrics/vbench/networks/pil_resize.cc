#include "metrics/vbench/networks/pil_resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace teacache {
namespace {

constexpr int kBits = 22;

double Weight(PilFilter filter, double x) {
  x = std::abs(x);
  if (filter == PilFilter::kBilinear) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// The input samples of one output sample, and their weights times 2^22.
struct Taps {
  int first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> MakeTaps(PilFilter filter, int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (filter == PilFilter::kBilinear ? 1.0 : 2.0) * filter_scale;
  std::vector<Taps> all(out);
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), in);
    std::vector<double> weights;
    double sum = 0;
    for (int x = begin; x < end; ++x) {
      weights.push_back(Weight(filter, (x - center + 0.5) / filter_scale));
      sum += weights.back();
    }
    all[i].first = begin;
    for (double weight : weights) {
      const double scaled = weight / sum * (1 << kBits);
      all[i].weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return all;
}

uint8_t Round(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

constexpr int32_t kHalf = 1 << (kBits - 1);

Frame ResizeWidth(const Frame& in, int width, PilFilter filter) {
  const std::vector<Taps> all = MakeTaps(filter, in.width, width);
  Frame out{width, in.height, std::vector<uint8_t>(size_t{3} * width * in.height)};
  for (int y = 0; y < in.height; ++y) {
    const uint8_t* row = in.rgb.data() + size_t{3} * y * in.width;
    uint8_t* to = out.rgb.data() + size_t{3} * y * width;
    for (const Taps& taps : all) {
      int32_t sum[3] = {kHalf, kHalf, kHalf};
      const uint8_t* pixel = row + size_t{3} * taps.first;
      for (const int32_t weight : taps.weights) {
        for (int c = 0; c < 3; ++c) sum[c] += weight * *pixel++;
      }
      for (const int32_t s : sum) *to++ = Round(s);
    }
  }
  return out;
}

Frame ResizeHeight(const Frame& in, int height, PilFilter filter) {
  const std::vector<Taps> all = MakeTaps(filter, in.height, height);
  const size_t row = size_t{3} * in.width;
  Frame out{in.width, height, std::vector<uint8_t>(row * height)};
  std::vector<int32_t> sums(row);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const uint8_t* from = in.rgb.data() + row * all[y].first;
    for (const int32_t weight : all[y].weights) {
      for (size_t i = 0; i < row; ++i) sums[i] += weight * *from++;
    }
    std::transform(sums.begin(), sums.end(), out.rgb.begin() + row * y, Round);
  }
  return out;
}

}  // namespace

Frame PilResize(const Frame& frame, int width, int height, PilFilter filter) {
  Frame out = width == frame.width ? frame : ResizeWidth(frame, width, filter);
  return height == frame.height ? out : ResizeHeight(out, height, filter);
}

}  // namespace teacache
