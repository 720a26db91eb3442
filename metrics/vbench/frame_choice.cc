#include "metrics/vbench/frame_choice.h"

#include <algorithm>
#include <cmath>

namespace teacache {

std::vector<int64_t> MiddleFrames(int64_t count, int64_t total) {
  if (total < 1 || count < 1) return {};
  const int64_t parts = std::min(count, total);
  const double step = static_cast<double>(total) / static_cast<double>(parts);
  const auto bound = [&](int64_t i) {
    return i == parts ? total : static_cast<int64_t>(static_cast<double>(i) * step);
  };
  std::vector<int64_t> frames;
  for (int64_t i = 0; i < parts; ++i) frames.push_back((bound(i) + bound(i + 1) - 1) / 2);
  frames.resize(static_cast<size_t>(count), frames.back());
  return frames;
}

int64_t RoundHalfEven(double value) {
  const double below = std::floor(value);
  const double fraction = value - below;
  const auto floor = static_cast<int64_t>(below);
  if (fraction != 0.5) return fraction < 0.5 ? floor : floor + 1;
  return floor % 2 == 0 ? floor : floor + 1;
}

int64_t FlowInterval(double fps) {
  if (!(fps > 0) || !std::isfinite(fps)) return 1;
  return std::max<int64_t>(1, RoundHalfEven(fps / 8));
}

Padding PadToMultiple(int64_t height, int64_t width, int64_t divisor) {
  const auto missing = [&](int64_t size) { return (divisor - size % divisor) % divisor; };
  const int64_t h = missing(height), w = missing(width);
  return {w / 2, w - w / 2, h / 2, h - h / 2};
}

}  // namespace teacache
