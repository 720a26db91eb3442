#include "metrics/pairs/score_video.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "datasets/base/error.h"
#include "metrics/pairs/frame_scorer.h"
#include "metrics/pairs/pair_state.h"

namespace teacache {
namespace {

// A Video as a stream.
class MemoryReader : public VideoReader {
 public:
  explicit MemoryReader(const Video& video) : video_(video) {
    info_.fps = video.fps;
    info_.num_frames = static_cast<int64_t>(video.frames.size());
    info_.pixel_format = "rgb24";
    info_.codec = "memory";
    info_.lossless = true;
    if (!video.frames.empty()) {
      info_.width = video.frames[0].width;
      info_.height = video.frames[0].height;
    }
  }
  const VideoInfo& info() const override { return info_; }
  std::optional<Frame> Next() override {
    if (next_ == video_.frames.size()) return std::nullopt;
    return video_.frames[next_++];
  }

 private:
  const Video& video_;
  VideoInfo info_;
  size_t next_ = 0;
};

// All pairs of one ground truth on their way through the frames. Frames wait until the scorer wants
// them; they are scored while the next ones are decoded.
class StreamScoring {
 public:
  StreamScoring(VideoReader& gt, const std::vector<VideoReader*>& gens, const ScoreOptions& options)
      : gt_(gt), options_(options), scorer_(options.scorer ? *options.scorer : cpu_) {
    pairs_.reserve(gens.size());
    for (VideoReader* gen : gens) pairs_.emplace_back(gen, gt, options);
  }

  std::vector<VideoScore> Run() {
    while (AnyActive()) {
      std::optional<Frame> frame = NextOfGt();
      if (!AnyActive()) break;  // failed with the ground truth
      if (frame) {
        AddStep(std::move(*frame));
      } else {
        End();
      }
    }
    std::vector<VideoScore> scores;
    for (PairState& pair : pairs_) scores.push_back(pair.TakeScore());
    return scores;
  }

 private:
  bool AnyActive() const {
    return std::any_of(pairs_.begin(), pairs_.end(), [](const auto& p) { return p.active(); });
  }

  std::optional<Frame> NextOfGt() {
    try {
      return gt_.Next();
    } catch (const UserError& error) {
      for (PairState& pair : pairs_) {
        if (pair.active()) pair.Fail(std::string("ground truth: ") + error.what());
      }
      return std::nullopt;
    }
  }

  // Calls `step` for every active pair; what it throws ends that pair only.
  template <typename Step>
  void ForEachActive(const Step& step) {
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (!pairs_[i].active()) continue;
      try {
        step(i);
      } catch (const UserError& error) {
        pairs_[i].Fail(error.what());
      }
    }
  }

  void AddStep(Frame gt) {
    FrameGroup same;  // those of the ground truth's size share it
    std::vector<size_t> same_pairs, ended;
    ForEachActive([&](size_t i) {
      if (pairs_[i].Skips(index_)) return;
      std::optional<Frame> gen = pairs_[i].Next(index_);
      if (!gen) {
        ended.push_back(i);
        return;
      }
      if (gen->width == gt.width && gen->height == gt.height) {
        CheckSize(gt);
        same.gens.push_back(std::move(*gen));
        same_pairs.push_back(i);
        return;
      }
      FrameGroup own;
      own.gt = gt;
      MatchSizes(options_.size, pairs_[i].gen_path(), &own.gt, &*gen);
      CheckSize(own.gt);
      own.gens.push_back(std::move(*gen));
      Wait(std::move(own), {i});
    });
    ++index_;
    if (!ended.empty()) ScoreAll();
    for (size_t i : ended) pairs_[i].EndOfGen();
    const int batch = scorer_.BatchFrames(gt.width, gt.height);
    if (!same.gens.empty()) {
      same.gt = std::move(gt);
      Wait(std::move(same), std::move(same_pairs));
    }
    if (++steps_ >= batch) ScoreWaiting();
  }

  void End() {
    ScoreAll();
    ForEachActive([&](size_t i) { pairs_[i].EndOfGt(); });
  }

  void CheckSize(const Frame& frame) const {
    for (const auto& metric : options_.metrics) {
      const int least = metric->MinSize();
      if (std::min(frame.width, frame.height) >= least) continue;
      ThrowUserError(metric->info().label,
                     "pictures must be at least {0}x{0} but are {1}x{2}",
                     least,
                     frame.width,
                     frame.height);
    }
  }

  void Wait(FrameGroup group, std::vector<size_t> pairs) {
    waiting_.push_back(std::move(group));
    waiting_pairs_.push_back(std::move(pairs));
  }

  // Begins to score the frames that wait, when those before are done.
  void ScoreWaiting() {
    TakeScores();
    steps_ = 0;
    if (waiting_.empty()) return;
    scored_ = std::exchange(waiting_, {});
    scored_pairs_ = std::exchange(waiting_pairs_, {});
    scores_ = std::async(std::launch::async, [this] {
      std::vector<std::vector<FrameScore>> scores = scorer_.Score(scored_, options_.metrics);
      for (size_t group = 0; group < scored_.size(); ++group) {
        ScoreTheRest(scored_[group], options_.metrics, &scores[group]);
      }
      return scores;
    });
  }

  void TakeScores() {
    if (!scores_.valid()) return;
    const std::vector<std::vector<FrameScore>> scores = scores_.get();
    for (size_t group = 0; group < scores.size(); ++group) {
      for (size_t i = 0; i < scores[group].size(); ++i) {
        PairState& pair = pairs_[scored_pairs_[group][i]];
        if (pair.active()) pair.Add(scores[group][i]);
      }
    }
  }

  void ScoreAll() {
    ScoreWaiting();
    TakeScores();
  }

  VideoReader& gt_;
  const ScoreOptions& options_;
  const CpuFrameScorer cpu_;
  const FrameScorer& scorer_;
  std::vector<PairState> pairs_;
  std::vector<FrameGroup> waiting_;
  std::vector<std::vector<size_t>> waiting_pairs_;  // by group: the pair of each generated frame
  size_t index_ = 0;                                // of the ground truth's next frame
  int steps_ = 0;                                   // frames of the ground truth that wait
  std::vector<FrameGroup> scored_;                  // by scores_
  std::vector<std::vector<size_t>> scored_pairs_;
  std::future<std::vector<std::vector<FrameScore>>> scores_;  // last: it ends before the others
};

}  // namespace

std::vector<VideoScore> ScoreStreams(VideoReader& gt,
                                     const std::vector<VideoReader*>& gens,
                                     const ScoreOptions& options) {
  return StreamScoring(gt, gens, options).Run();
}

VideoScore ScoreVideos(const Video& gt,
                       const Video& gen,
                       const ScoreOptions& options,
                       const std::string& name) {
  MemoryReader gt_reader(gt), gen_reader(gen);
  VideoScore score = std::move(ScoreStreams(gt_reader, {&gen_reader}, options)[0]);
  score.name = name;
  return score;
}

}  // namespace teacache
