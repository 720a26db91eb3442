#include "metrics/vbench/feature_math.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "metrics/vbench/frame_choice.h"

namespace teacache {
namespace {

double Dot(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x[i]) * y[i];
  return sum;
}

}  // namespace

double CosineSimilarity(std::span<const float> x, std::span<const float> y) {
  constexpr double kSmall = 1e-12;  // as upstream's first normalisation
  const double norms = std::sqrt(Dot(x, x)) * std::sqrt(Dot(y, y));
  return Dot(x, y) / std::max(norms, kSmall);
}

void ConsistencySum::Add(std::span<const float> feature) {
  if (first_.empty()) {
    first_.assign(feature.begin(), feature.end());
  } else {
    const double previous = std::max(0.0, CosineSimilarity(previous_, feature));
    const double first = std::max(0.0, CosineSimilarity(first_, feature));
    sum_ += (previous + first) / 2;
    ++count_;
  }
  previous_.assign(feature.begin(), feature.end());
}

double LargestFlow(std::span<const float> u, std::span<const float> v) {
  std::vector<float> magnitudes(u.size());
  for (size_t i = 0; i < u.size(); ++i) magnitudes[i] = std::sqrt(u[i] * u[i] + v[i] * v[i]);
  const auto count = static_cast<size_t>(static_cast<double>(u.size()) * 0.05);
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto end = magnitudes.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(magnitudes.begin(), end - 1, magnitudes.end(), std::greater<>());
  // In order of size, so that the sum does not depend on how the library partitions.
  std::sort(magnitudes.begin(), end, std::greater<>());
  double sum = 0;
  for (auto it = magnitudes.begin(); it != end; ++it) sum += *it;
  return sum / static_cast<double>(count);
}

bool IsMoving(std::span<const double> pair_scores, int64_t frames, int64_t height, int64_t width) {
  const double threshold = 6.0 * (static_cast<double>(std::min(height, width)) / 256.0);
  const int64_t needed = RoundHalfEven(4 * (static_cast<double>(frames) / 16.0));
  int64_t count = 0;
  for (const double score : pair_scores) {
    if (score > threshold) ++count;
    if (count >= needed) return true;
  }
  return false;
}

uint8_t TruncatedByte(float value) {
  const float scaled = value * 255.0f;
  if (!(scaled > 0)) return 0;
  return static_cast<uint8_t>(std::min(scaled, 255.0f));
}

}  // namespace teacache
