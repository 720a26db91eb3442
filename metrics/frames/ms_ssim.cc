#include "metrics/frames/ms_ssim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "datasets/base/error.h"
#include "metrics/frames/ssim.h"

namespace teacache {
namespace {

constexpr std::array<double, 5> kWeights = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
constexpr int kPad = 5;

// Interleaved RGB. Samples are sums and not means of 2x2 pixels, so that they are exact: at scale s
// the largest is 255 4^(s - 1), which 16 bits hold at all five scales.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<uint16_t> rgb = {};
};

template <typename T>
Picture Halved(const std::vector<T>& rgb, int width, int height) {
  Picture half{width / 2, height / 2};
  half.rgb.resize(size_t(half.width) * half.height * 3);
  const size_t row = size_t(width) * 3;
  for (int y = 0; y < half.height; ++y) {
    const T* above = &rgb[2 * y * row];
    const T* below = above + row;
    uint16_t* out = &half.rgb[size_t(y) * half.width * 3];
    for (int x = 0; x < half.width; ++x, above += 6, below += 6, out += 3) {
      for (int c = 0; c < 3; ++c) {
        out[c] = static_cast<uint16_t>(above[c] + above[c + 3] + below[c] + below[c + 3]);
      }
    }
  }
  return half;
}

// Position `i` - kPad of n, mirrored at the first and the last one, which are not repeated.
int Mirror(int i, int n) {
  const int at = std::abs(i - kPad);
  return at < n ? at : 2 * (n - 1) - at;
}

Picture Reflected(const Picture& picture) {
  Picture out{picture.width + 2 * kPad, picture.height + 2 * kPad};
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const size_t from =
          size_t(Mirror(y, picture.height)) * picture.width + Mirror(x, picture.width);
      out.rgb.insert(out.rgb.end(), &picture.rgb[3 * from], &picture.rgb[3 * from] + 3);
    }
  }
  return out;
}

}  // namespace

double MsSsim(const Frame& gt, const Frame& gen) {
  if (gt.width != gen.width || gt.height != gen.height ||
      std::min(gt.width, gt.height) < kMsSsimMinSize) {
    ThrowUserError("MS-SSIM",
                   "pictures must be of one size, {0}x{0} or larger, but are {1}x{2} and {3}x{4}",
                   kMsSsimMinSize,
                   gt.width,
                   gt.height,
                   gen.width,
                   gen.height);
  }
  std::array<double, 5> terms;
  terms[0] = GaussianContrast(gt.rgb, gen.rgb, gt.width, gt.height);
  Picture a = Halved(gt.rgb, gt.width, gt.height);
  Picture b = Halved(gen.rgb, gen.width, gen.height);
  double peak = 4 * 255;
  for (size_t scale = 1; scale < 4; ++scale, peak *= 4) {
    terms[scale] = GaussianContrast(a.rgb, b.rgb, a.width, a.height, peak);
    a = Halved(a.rgb, a.width, a.height);
    b = Halved(b.rgb, b.width, b.height);
  }
  a = Reflected(a);
  b = Reflected(b);
  terms[4] = GaussianSsim(a.rgb, b.rgb, a.width, a.height, 3, peak);
  double product = 1;
  for (size_t scale = 0; scale < terms.size(); ++scale) {
    product *= std::pow(std::max(terms[scale], 0.0), kWeights[scale]);
  }
  return product;
}

MsSsimMetric::MsSsimMetric()
    : Metric({.name = "ms-ssim",
              .label = "MS-SSIM",
              .definition =
                  "Wang et al. 2003, five scales, 11x11 Gaussian sigma 1.5, mean of R, G, B "
                  "(as torchmetrics), mean over frames"}) {}

std::vector<double> MsSsimMetric::Score(std::span<const FramePair> pairs) const {
  std::vector<double> values;
  for (const FramePair& pair : pairs) values.push_back(MsSsim(*pair.gt, *pair.gen));
  return values;
}

}  // namespace teacache
