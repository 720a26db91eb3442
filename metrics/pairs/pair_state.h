#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/results.h"
#include "datasets/video/video.h"
#include "metrics/pairs/frame_scorer.h"
#include "metrics/pairs/score_video.h"

namespace teacache {

// Brings a pair of frames to one size. Throws UserError where `policy` does not allow that.
void MatchSizes(SizePolicy policy, const std::string& gen_path, Frame* gt, Frame* gen);

// One generated video on its way through the frames.
class PairState {
 public:
  // Both readers and the options must live as long as this.
  PairState(VideoReader* reader, const VideoReader& gt, const ScoreOptions& options)
      : reader_(reader), gt_(gt), options_(options), values_(options.metrics.size()) {
    MatchNumbers();
  }

  bool active() const { return active_; }
  const std::string& gen_path() const { return reader_->info().path; }
  // Is frame `step` of the ground truth left out, because no picture here has its number?
  bool Skips(size_t step) const { return by_number_ && (*by_number_)[step] < 0; }
  // The frame that belongs to frame `step` of the ground truth.
  std::optional<Frame> Next(size_t step);

  // The next frame's score.
  void Add(const FrameScore& score);
  // The ground truth ended.
  void EndOfGt();
  // This video ended, the ground truth did not.
  void EndOfGen();
  void Fail(const std::string& error);

  // With what the readers know by now: some things are only seen on the way.
  VideoScore TakeScore();

 private:
  void MatchNumbers();
  bool FailIfShifted();
  std::string Where() const;
  std::string TooLong();
  void WarnCut(const char* longer);
  void Finish();

  VideoReader* reader_;
  const VideoReader& gt_;
  const ScoreOptions& options_;
  VideoScore score_;
  int64_t gt_frames_ = -1;  // once known by reading
  int64_t gen_frames_ = -1;
  bool active_ = true;
  // For folders of numbered pictures whose numbers differ: by frame of the ground truth, the index
  // of the generated one of the same number, -1 = none. Without a value: frames in order.
  std::optional<std::vector<int64_t>> by_number_;
  int64_t next_ = 0;                         // index of the next generated frame
  std::vector<std::vector<double>> values_;  // [metric][frame]
};

}  // namespace teacache
