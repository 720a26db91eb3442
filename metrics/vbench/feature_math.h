#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace teacache {

// What VBench does with the answers of its networks. In double on float32 values.

// x . y / (|x| |y|), and 0 for a zero vector. (Upstream normalises first, which changes nothing.)
double CosineSimilarity(std::span<const float> x, std::span<const float> y);

// subject_consistency and background_consistency: for every frame but the first
//   (max(0, cos(f_(i-1), f_i)) + max(0, cos(f_0, f_i))) / 2
class ConsistencySum {
 public:
  // Features of the frames in order, of one size.
  void Add(std::span<const float> feature);

  double sum() const { return sum_; }
  // What the sum is over: frames but the first.
  int64_t count() const { return count_; }

 private:
  std::vector<float> first_;
  std::vector<float> previous_;
  double sum_ = 0;
  int64_t count_ = 0;
};

// dynamic_degree: mean of the int(0.05 n) largest |(u, v)| of n pixels; NaN when that is none.
double LargestFlow(std::span<const float> u, std::span<const float> v);

// Does a video move? `pair_scores` are LargestFlow of the pairs of its `frames` sampled frames of
// height x width: true as soon as round(4 (frames / 16)), halves to even, of them are above
// 6 min(height, width) / 256. So any first pair makes 1 or 2 frames move, and no pair nothing.
bool IsMoving(std::span<const double> pair_scores, int64_t frames, int64_t height, int64_t width);

// A value in [0, 1] as upstream writes pictures: times 255, cut to 0 ... 255, truncated.
uint8_t TruncatedByte(float value);

}  // namespace teacache
