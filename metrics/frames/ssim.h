#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/video/video.h"
#include "metrics/metric.h"

namespace teacache {

// Structural similarity of Wang, Bovik, Sheikh, Simoncelli (2004), per window w:
//
//   SSIM = (2 ma mb + C1) (2 sab + C2) / ((ma^2 + mb^2 + C1) (saa + sbb + C2)),
//   m = sum w x, sxy = sum w x y - mx my, C1 = (0.01 peak)^2, C2 = (0.03 peak)^2
//
// and then the mean over windows, and over channels. The word stands for different numbers in
// different programs; the variants are named here and in every output file.
enum class SsimVariant {
  kWangRgb,   // 11x11 Gaussian, sigma 1.5, windows inside the picture, mean of R, G, B (TeaCache)
  kWangY,     // the same on Y = round(0.299 R + 0.587 G + 0.114 B)
  kSkimage7,  // 7x7 uniform, sample covariance, mean of R, G, B (scikit-image's default)
  kReflect,   // as kWangRgb on pictures reflected by 5 pixels (torchmetrics)
  kZeroPad,   // as kWangRgb on pictures with 5 black pixels around them (fused-ssim "same")
  kFfmpeg,    // 8x8 blocks at every 4th pixel, mean of R, G, B (FFmpeg's ssim filter)
};

// "wang-rgb", "wang-y", "skimage7", "reflect", "zeropad", "ffmpeg"
std::string_view SsimVariantName(SsimVariant variant);
// One line that defines the variant.
std::string_view SsimVariantDefinition(SsimVariant variant);
// Throws UserError listing the names.
SsimVariant ParseSsimVariant(std::string_view name);

// SSIM of two frames of the same size, -1 ... 1, 1 = identical. NaN where the picture is smaller
// than one window. Accuracy of the Gaussian variants: within 1e-7 of the formula in double (float32
// moments about a local centre; the sum over windows is in double). Symmetric to the last bit.
// Throws UserError for frames of different sizes.
double Ssim(const Frame& gt, const Frame& gen, SsimVariant variant = SsimVariant::kWangRgb);

// kWangRgb's formula on interleaved samples [height, width, channels], 1 or 3 channels. `peak` is
// the largest sample value: 255, or 2^bits - 1.
double GaussianSsim(std::span<const uint8_t> a,
                    std::span<const uint8_t> b,
                    int width,
                    int height,
                    int channels,
                    double peak = 255);
double GaussianSsim(std::span<const uint16_t> a,
                    std::span<const uint16_t> b,
                    int width,
                    int height,
                    int channels,
                    double peak);

// The contrast term of the same windows, mean of (2 sab + C2) / (saa + sbb + C2) over windows and
// three channels; as accurate. NaN where the picture is smaller than one window.
double GaussianContrast(std::span<const uint8_t> a,
                        std::span<const uint8_t> b,
                        int width,
                        int height,
                        double peak = 255);
double GaussianContrast(
    std::span<const uint16_t> a, std::span<const uint16_t> b, int width, int height, double peak);

// Ssim of every frame. Kernel "ssim": kWangRgb, which a GPU computes too.
class SsimMetric : public Metric {
 public:
  explicit SsimMetric(SsimVariant variant = SsimVariant::kWangRgb);
  int MinSize() const override;
  std::vector<double> Score(std::span<const FramePair> pairs) const override;
  std::string_view Kernel() const override;

 private:
  SsimVariant variant_;
};

}  // namespace teacache
