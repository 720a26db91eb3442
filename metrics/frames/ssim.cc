#include "metrics/frames/ssim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "datasets/base/error.h"
#include "metrics/frames/ssim_kernel.h"

namespace teacache {
namespace {

constexpr int kGaussianTaps = 11;
constexpr int kPad = kGaussianTaps / 2;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct VariantEntry {
  SsimVariant variant;
  std::string_view name;
  std::string_view definition;
  int min_size;  // of a picture that holds one window
};

constexpr std::array<VariantEntry, 6> kVariants = {{
    {SsimVariant::kWangRgb,
     "wang-rgb",
     "Wang et al. 2004, 11x11 Gaussian sigma 1.5, valid windows, population variance, mean of R, "
     "G, B (as TeaCache)",
     11},
    {SsimVariant::kWangY,
     "wang-y",
     "Wang et al. 2004, 11x11 Gaussian sigma 1.5, valid windows, on Y = round(0.299 R + 0.587 G + "
     "0.114 B)",
     11},
    {SsimVariant::kSkimage7,
     "skimage7",
     "7x7 uniform window, sample covariance, valid windows, mean of R, G, B (as scikit-image's "
     "default)",
     7},
    {SsimVariant::kReflect,
     "reflect",
     "11x11 Gaussian sigma 1.5, pictures reflected by 5 pixels, mean of R, G, B (as torchmetrics)",
     6},
    {SsimVariant::kZeroPad,
     "zeropad",
     "11x11 Gaussian sigma 1.5, pictures padded with 5 black pixels, mean of R, G, B (as "
     "fused-ssim, same padding)",
     1},
    {SsimVariant::kFfmpeg,
     "ffmpeg",
     "8x8 blocks at every 4th pixel, sample covariance, mean of R, G, B (as FFmpeg's ssim filter "
     "on RGB planes)",
     8},
}};

const VariantEntry& Entry(SsimVariant variant) {
  return *std::find_if(kVariants.begin(), kVariants.end(), [&](const VariantEntry& entry) {
    return entry.variant == variant;
  });
}

template <typename T>
void CheckSamples(std::span<const T> a, std::span<const T> b, int width, int height, int channels) {
  const size_t samples = size_t(std::max(width, 0)) * std::max(height, 0) * std::max(channels, 0);
  if ((channels != 1 && channels != 3) || a.size() != samples || b.size() != samples) {
    ThrowUserError(
        "SSIM",
        "two pictures of {}x{} with 1 or 3 channels must have the same number of samples "
        "but have {} and {} for {} channels",
        width,
        height,
        a.size(),
        b.size(),
        channels);
  }
}

double Windows(int width, int height, int channels) {
  return double(width - kGaussianTaps + 1) * (height - kGaussianTaps + 1) * channels;
}

template <typename T>
double GaussianSsimImpl(
    std::span<const T> a, std::span<const T> b, int width, int height, int channels, double peak) {
  CheckSamples(a, b, width, height, channels);
  if (width < kGaussianTaps || height < kGaussianTaps) return kNan;
  return 1 - SsimDeficit(a.data(), b.data(), width, height, channels, peak) /
                 Windows(width, height, channels);
}

template <typename T>
double GaussianContrastImpl(
    std::span<const T> a, std::span<const T> b, int width, int height, double peak) {
  CheckSamples(a, b, width, height, 3);
  if (width < kGaussianTaps || height < kGaussianTaps) return kNan;
  return 1 - ContrastDeficit(a.data(), b.data(), width, height, peak) / Windows(width, height, 3);
}

std::vector<uint8_t> Luma(const Frame& frame) {
  std::vector<uint8_t> y(size_t(frame.width) * frame.height);
  for (size_t i = 0; i < y.size(); ++i) {
    const uint8_t* rgb = &frame.rgb[3 * i];
    y[i] = static_cast<uint8_t>(std::lround(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]));
  }
  return y;
}

// Position `i` - kPad of n samples, mirrored at the first and last sample (which are not repeated).
int Mirror(int i, int n) {
  i -= kPad;
  if (i < 0) i = -i;
  return i < n ? i : 2 * (n - 1) - i;
}

Frame Pad(const Frame& frame, bool reflect) {
  Frame out{frame.width + 2 * kPad, frame.height + 2 * kPad, {}};
  out.rgb.resize(size_t(out.width) * out.height * 3);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const int from_y = reflect ? Mirror(y, frame.height) : y - kPad;
      const int from_x = reflect ? Mirror(x, frame.width) : x - kPad;
      if (from_y < 0 || from_y >= frame.height || from_x < 0 || from_x >= frame.width) continue;
      std::copy_n(&frame.rgb[(size_t(from_y) * frame.width + from_x) * 3],
                  3,
                  &out.rgb[(size_t(y) * out.width + x) * 3]);
    }
  }
  return out;
}

// Sums over a window of samples a, b: exact integers.
struct Sums {
  int64_t a = 0, b = 0, aa = 0, bb = 0, ab = 0;

  void Add(int64_t x, int64_t y, int64_t sign = 1) {
    a += sign * x;
    b += sign * y;
    aa += sign * x * x;
    bb += sign * y * y;
    ab += sign * x * y;
  }
  Sums& operator+=(const Sums& o) {
    a += o.a, b += o.b, aa += o.aa, bb += o.bb, ab += o.ab;
    return *this;
  }
  Sums& operator-=(const Sums& o) {
    a -= o.a, b -= o.b, aa -= o.aa, bb -= o.bb, ab -= o.ab;
    return *this;
  }
};

// The formula on sums over n samples, with sample covariance (n - 1).
double WindowSsim(const Sums& s, int64_t n, double c1, double c2) {
  const double count = static_cast<double>(n);
  const double mean_a = s.a / count;
  const double mean_b = s.b / count;
  const double norm = count * (count - 1);
  const double var_a = static_cast<double>(n * s.aa - s.a * s.a) / norm;
  const double var_b = static_cast<double>(n * s.bb - s.b * s.b) / norm;
  const double covariance = static_cast<double>(n * s.ab - s.a * s.b) / norm;
  return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
         ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2));
}

double SkimageSsim(const Frame& gt, const Frame& gen) {
  constexpr int kWindow = 7;
  const int width = gt.width, height = gt.height;
  if (width < kWindow || height < kWindow) return kNan;
  constexpr double kC1 = 0.01 * 0.01 * 255 * 255, kC2 = 0.03 * 0.03 * 255 * 255;
  const size_t row = size_t(width) * 3;
  std::vector<Sums> columns(row);
  const auto add_row = [&](int y, int64_t sign) {
    const uint8_t* a = &gt.rgb[y * row];
    const uint8_t* b = &gen.rgb[y * row];
    for (size_t i = 0; i < row; ++i) columns[i].Add(a[i], b[i], sign);
  };
  for (int y = 0; y < kWindow - 1; ++y) add_row(y, 1);
  double total = 0;
  for (int y = kWindow - 1; y < height; ++y) {
    add_row(y, 1);
    for (int channel = 0; channel < 3; ++channel) {
      Sums window;
      for (int x = 0; x < width; ++x) {
        window += columns[x * 3 + channel];
        if (x >= kWindow) window -= columns[(x - kWindow) * 3 + channel];
        if (x >= kWindow - 1) total += WindowSsim(window, kWindow * kWindow, kC1, kC2);
      }
    }
    add_row(y - (kWindow - 1), -1);
  }
  return total / (3.0 * (width - kWindow + 1) * (height - kWindow + 1));
}

// FFmpeg rounds its constants to integers on the scale of sums over 64 samples:
// C1 = round(0.01^2 255^2 64), C2 = round(0.03^2 255^2 64 63).
double FfmpegBlockSsim(const Sums& s) {
  constexpr int64_t kC1 = 416, kC2 = 235963;
  const int64_t variance = 64 * (s.aa + s.bb) - s.a * s.a - s.b * s.b;
  const int64_t covariance = 64 * s.ab - s.a * s.b;
  return static_cast<double>(2 * s.a * s.b + kC1) * static_cast<double>(2 * covariance + kC2) /
         (static_cast<double>(s.a * s.a + s.b * s.b + kC1) * static_cast<double>(variance + kC2));
}

double FfmpegSsim(const Frame& gt, const Frame& gen) {
  const int columns = gt.width / 4, rows = gt.height / 4;
  if (columns < 2 || rows < 2) return kNan;
  std::vector<Sums> above(size_t(columns) * 3), here(size_t(columns) * 3);
  double total = 0;
  for (int row = 0; row < rows; ++row) {
    std::swap(above, here);
    std::fill(here.begin(), here.end(), Sums());
    for (int y = 4 * row; y < 4 * row + 4; ++y) {
      const size_t start = size_t(y) * gt.width * 3;
      for (int i = 0; i < columns * 12; ++i) {
        here[i / 12 * 3 + i % 3].Add(gt.rgb[start + i], gen.rgb[start + i]);
      }
    }
    if (row == 0) continue;
    for (int i = 0; i + 3 < columns * 3; ++i) {
      Sums block = above[i];
      block += above[i + 3];
      block += here[i];
      block += here[i + 3];
      total += FfmpegBlockSsim(block);
    }
  }
  return total / (3.0 * (columns - 1) * (rows - 1));
}

}  // namespace

std::string_view SsimVariantName(SsimVariant variant) { return Entry(variant).name; }

std::string_view SsimVariantDefinition(SsimVariant variant) { return Entry(variant).definition; }

SsimVariant ParseSsimVariant(std::string_view name) {
  std::string names;
  for (const VariantEntry& entry : kVariants) {
    if (entry.name == name) return entry.variant;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  ThrowUserError("--ssim-variant", "must be one of {} but is \"{}\"", names, name);
}

double GaussianSsim(std::span<const uint8_t> a,
                    std::span<const uint8_t> b,
                    int width,
                    int height,
                    int channels,
                    double peak) {
  return GaussianSsimImpl(a, b, width, height, channels, peak);
}

double GaussianSsim(std::span<const uint16_t> a,
                    std::span<const uint16_t> b,
                    int width,
                    int height,
                    int channels,
                    double peak) {
  return GaussianSsimImpl(a, b, width, height, channels, peak);
}

double GaussianContrast(
    std::span<const uint8_t> a, std::span<const uint8_t> b, int width, int height, double peak) {
  return GaussianContrastImpl(a, b, width, height, peak);
}

double GaussianContrast(
    std::span<const uint16_t> a, std::span<const uint16_t> b, int width, int height, double peak) {
  return GaussianContrastImpl(a, b, width, height, peak);
}

double Ssim(const Frame& gt, const Frame& gen, SsimVariant variant) {
  if (gt.width != gen.width || gt.height != gen.height || gt.rgb.size() != gen.rgb.size()) {
    ThrowUserError("SSIM",
                   "frames must have the same size but are {}x{} and {}x{}",
                   gt.width,
                   gt.height,
                   gen.width,
                   gen.height);
  }
  switch (variant) {
    case SsimVariant::kWangRgb:
      return GaussianSsim(gt.rgb, gen.rgb, gt.width, gt.height, 3);
    case SsimVariant::kWangY:
      return GaussianSsim(Luma(gt), Luma(gen), gt.width, gt.height, 1);
    case SsimVariant::kSkimage7:
      return SkimageSsim(gt, gen);
    case SsimVariant::kReflect:
    case SsimVariant::kZeroPad: {
      const bool reflect = variant == SsimVariant::kReflect;
      if (reflect && (gt.width <= kPad || gt.height <= kPad)) return kNan;
      const Frame a = Pad(gt, reflect), b = Pad(gen, reflect);
      return GaussianSsim(a.rgb, b.rgb, a.width, a.height, 3);
    }
    case SsimVariant::kFfmpeg:
      return FfmpegSsim(gt, gen);
  }
  return kNan;
}

SsimMetric::SsimMetric(SsimVariant variant)
    : Metric({.name = "ssim",
              .label = "SSIM",
              .definition = fmt::format("{}: {}, mean over frames",
                                        SsimVariantName(variant),
                                        SsimVariantDefinition(variant))}),
      variant_(variant) {}

int SsimMetric::MinSize() const { return Entry(variant_).min_size; }

std::vector<double> SsimMetric::Score(std::span<const FramePair> pairs) const {
  std::vector<double> values;
  for (const FramePair& pair : pairs) values.push_back(Ssim(*pair.gt, *pair.gen, variant_));
  return values;
}

std::string_view SsimMetric::Kernel() const {
  return variant_ == SsimVariant::kWangRgb ? "ssim" : "";
}

}  // namespace teacache
