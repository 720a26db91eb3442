#pragma once

#include <array>
#include <cstdint>

namespace teacache {

// Internal to teacache::datasets: how the ffmpeg program gives a stream of frames with arbitrary
// times a constant frame rate, by repeating and dropping whole frames (its `-vsync cfr` and
// `vscfr`, which imageio's pipe gets by default). Times are in output frames: 2.0 = where output
// frame 2 lies. Follows the documented behaviour of ffmpeg 5.1's encoder loop, with its tolerances
// of 1.1 frames.
class ConstantRate {
 public:
  // What to output when a frame arrives: the frame before `previous` times, then it `current`
  // times.
  struct Repeats {
    int64_t previous = 0;
    int64_t current = 0;
    bool operator==(const Repeats&) const = default;
  };

  // `keep_start`: a late first frame begins the output (files with one stream); otherwise the gap
  // before it is filled.
  explicit ConstantRate(bool keep_start) : keep_start_(keep_start) {}

  // A frame at `time` that lasts `duration`.
  Repeats Next(double time, double duration);
  // How often the last frame is repeated at the end.
  int64_t Finish();

 private:
  bool keep_start_;
  int64_t written_ = 0;   // frames
  int64_t position_ = 0;  // where the next output frame lies
  std::array<int64_t, 3> last_previous_{};
};

}  // namespace teacache
