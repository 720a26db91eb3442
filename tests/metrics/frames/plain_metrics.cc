#include "tests/metrics/frames/plain_metrics.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace teacache {
namespace {

std::vector<double> GaussianTaps() {
  std::vector<double> taps(11);
  double sum = 0;
  for (int i = 0; i < 11; ++i) sum += taps[i] = std::exp(-(i - 5) * (i - 5) / (2 * 1.5 * 1.5));
  for (double& tap : taps) tap /= sum;
  return taps;
}

}  // namespace

Planes ToPlanes(const Frame& frame, bool as_float32) {
  Planes planes{frame.width, frame.height, std::vector<std::vector<double>>(3)};
  for (size_t i = 0; i < frame.rgb.size(); ++i) {
    planes.channels[i % 3].push_back(as_float32 ? frame.rgb[i] / 255.0f : frame.rgb[i] / 255.0);
  }
  return planes;
}

namespace {

// SSIM and its contrast term, [height - 10, width - 10] each.
struct Maps {
  std::vector<double> ssim, contrast;
};

Maps PlainMaps(const std::vector<double>& a, const std::vector<double>& b, int width, int height) {
  static const std::vector<double> taps = GaussianTaps();
  constexpr double kC1 = 0.0001, kC2 = 0.0009;
  Maps maps;
  for (int y = 0; y + 11 <= height; ++y) {
    for (int x = 0; x + 11 <= width; ++x) {
      double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
      for (int dy = 0; dy < 11; ++dy) {
        for (int dx = 0; dx < 11; ++dx) {
          const double w = taps[dy] * taps[dx];
          const double p = a[size_t(y + dy) * width + x + dx];
          const double q = b[size_t(y + dy) * width + x + dx];
          ma += w * p;
          mb += w * q;
          aa += w * p * p;
          bb += w * q * q;
          ab += w * p * q;
        }
      }
      const double var_a = aa - ma * ma, var_b = bb - mb * mb, covariance = ab - ma * mb;
      maps.ssim.push_back((2 * ma * mb + kC1) * (2 * covariance + kC2) /
                          ((ma * ma + mb * mb + kC1) * (var_a + var_b + kC2)));
      maps.contrast.push_back((2 * covariance + kC2) / (var_a + var_b + kC2));
    }
  }
  return maps;
}

}  // namespace

std::vector<double> PlainSsimMap(const std::vector<double>& a,
                                 const std::vector<double>& b,
                                 int width,
                                 int height) {
  return PlainMaps(a, b, width, height).ssim;
}

double PlainContrast(const Planes& a, const Planes& b) {
  double sum = 0;
  size_t n = 0;
  for (size_t c = 0; c < a.channels.size(); ++c) {
    for (double value : PlainMaps(a.channels[c], b.channels[c], a.width, a.height).contrast) {
      sum += value;
      ++n;
    }
  }
  return sum / static_cast<double>(n);
}

std::vector<double> PlainSsimPerChannel(const Planes& a, const Planes& b) {
  std::vector<double> means;
  for (size_t c = 0; c < a.channels.size(); ++c) {
    const std::vector<double> map = PlainSsimMap(a.channels[c], b.channels[c], a.width, a.height);
    double sum = 0;
    for (double value : map) sum += value;
    means.push_back(sum / static_cast<double>(map.size()));
  }
  return means;
}

double PlainSsim(const Planes& a, const Planes& b) {
  const std::vector<double> means = PlainSsimPerChannel(a, b);
  double sum = 0;
  for (double mean : means) sum += mean;
  return sum / static_cast<double>(means.size());
}

double PlainMse(const Planes& a, const Planes& b) {
  double sum = 0;
  size_t n = 0;
  for (size_t c = 0; c < a.channels.size(); ++c) {
    for (size_t i = 0; i < a.channels[c].size(); ++i, ++n) {
      const double difference = a.channels[c][i] - b.channels[c][i];
      sum += difference * difference;
    }
  }
  return sum / static_cast<double>(n);
}

Frame MakeFrame(Content content, int width, int height, uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  Frame frame{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  const int flat[3] = {below(256), below(256), below(256)};
  const double phase = below(628) / 100.0;
  const int cx = below(width), cy = below(height), radius = 3 + below(std::max(4, width / 3));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        double value = flat[c];
        if (content == Content::kNoise) value = below(256);
        if (content == Content::kGradient) value = 255.0 * (x + y) / (width + height);
        if (content == Content::kNatural) {
          value = 90 + 60 * std::sin(0.05 * x + phase + c) + 50 * std::cos(0.031 * y - 0.02 * x) +
                  below(7);
          const int dx = x - cx, dy = y - cy;
          if (dx * dx + dy * dy < radius * radius) value = 40 * c + 100 + below(5);
          if (((x / 9) + (y / 13)) % 11 == 0) value = 250 - 30 * c;
        }
        frame.rgb[(size_t(y) * width + x) * 3 + c] =
            static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
  return frame;
}

Frame AddNoise(const Frame& frame, int amplitude, uint32_t seed) {
  std::mt19937 random(seed);
  Frame out = frame;
  for (uint8_t& sample : out.rgb) {
    const int noise = static_cast<int>(random() % (2 * amplitude + 1)) - amplitude;
    sample = static_cast<uint8_t>(std::clamp(sample + noise, 0, 255));
  }
  return out;
}

}  // namespace teacache
