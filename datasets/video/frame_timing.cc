#include "datasets/video/frame_timing.h"

#include <algorithm>
#include <cmath>

namespace teacache {
namespace {

constexpr double kTolerance = 1.1;  // frames of drift before one is repeated or dropped
constexpr int64_t kMaxRepeats =
    3240000;  // larger gaps are broken time stamps: the frame is skipped

// Rounds as C's lrintf does, through float.
int64_t RoundFloat(double value) { return std::llrint(static_cast<float>(value)); }

}  // namespace

ConstantRate::Repeats ConstantRate::Next(double time, double duration) {
  double drift = time - static_cast<double>(position_);
  double end_drift = drift + duration;  // where it ends, against the next output frame
  if (drift < 0 && end_drift > 0) {
    drift = 0;
  }
  if (keep_start_ && written_ == 0 && drift >= 0.5) {
    end_drift = duration;
    drift = 0;
    position_ = std::llrint(time);
  }
  int64_t total = 1, previous = 0;
  if (end_drift < -kTolerance) {
    total = 0;
  } else if (end_drift > kTolerance) {
    total = RoundFloat(end_drift);
    if (drift > kTolerance) {
      previous = RoundFloat(drift - 0.6);
    }
  }
  previous = std::min(previous, total);
  std::rotate(last_previous_.begin(), last_previous_.end() - 1, last_previous_.end());
  last_previous_[0] = previous;
  if (total > kMaxRepeats) {
    return {0, 0};
  }
  position_ += total;
  written_ += total;
  return {previous, total - previous};
}

int64_t ConstantRate::Finish() {
  std::array<int64_t, 3> sorted = last_previous_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[1];
}

}  // namespace teacache
