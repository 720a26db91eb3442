#include "metrics/score_video.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "datasets/error.h"
#include "datasets/statistics.h"
#include "metrics/frame_scorer.h"
#include "metrics/psnr.h"
#include "metrics/resize.h"

namespace teacache {
namespace {

constexpr std::array<std::pair<std::string_view, SizePolicy>, 5> kSizePolicies = {{
    {"strict", SizePolicy::kStrict},
    {"resize-gen", SizePolicy::kResizeGen},
    {"resize-gt", SizePolicy::kResizeGt},
    {"crop", SizePolicy::kCrop},
    {"batch-eval", SizePolicy::kBatchEval},
}};
constexpr std::array<std::pair<std::string_view, LengthPolicy>, 2> kLengthPolicies = {{
    {"strict", LengthPolicy::kStrict},
    {"min", LengthPolicy::kMin},
}};

template <typename Table>
auto ParseName(const Table& table, std::string_view name, const char* where) {
  std::string names;
  for (const auto& [entry, value] : table) {
    if (entry == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(entry);
  }
  ThrowUserError(where, "must be one of {} but is \"{}\"", names, name);
}

template <typename Table, typename Value>
std::string_view NameOf(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "";
}

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

std::string Size(const Frame& frame) { return fmt::format("{}x{}", frame.width, frame.height); }

// Brings a pair to one size, or throws.
void MatchSizes(SizePolicy policy, const std::string& gen_path, Frame* gt, Frame* gen) {
  if (gt->width == gen->width && gt->height == gen->height) return;
  switch (policy) {
    case SizePolicy::kStrict:
      ThrowUserError(gen_path.empty() ? "size" : gen_path,
                     "must be {} as the ground truth's but is {} (--size can resize or crop)",
                     Size(*gt),
                     Size(*gen));
    case SizePolicy::kResizeGen:
      *gen = ResizeBilinear(*gen, gt->width, gt->height);
      return;
    case SizePolicy::kResizeGt:
      *gt = ResizeBilinear(*gt, gen->width, gen->height);
      return;
    case SizePolicy::kCrop: {
      const int width = std::min(gt->width, gen->width);
      const int height = std::min(gt->height, gen->height);
      *gt = CropCenter(*gt, width, height);
      *gen = CropCenter(*gen, width, height);
      return;
    }
    case SizePolicy::kBatchEval:
      *gt = BatchEvalResize(*gt, gen->width, gen->height);
      return;
  }
}

void AddWarnings(VideoScore* score) {
  const VideoInfo &gt = score->gt, &gen = score->gen;
  std::vector<std::string>& out = score->warnings;
  const auto tag = [&](const char* what, const std::string& a, const std::string& b) {
    if (a != b) {
      out.push_back(fmt::format("colour {} differs: {} (ground truth), {}", what, a, b));
    }
  };
  tag("matrix", gt.color_matrix, gen.color_matrix);
  tag("range", gt.color_range, gen.color_range);
  tag("primaries", gt.color_primaries, gen.color_primaries);
  tag("transfer", gt.color_transfer, gen.color_transfer);
  if (gt.variable_frame_rate) out.push_back("the ground truth has a variable frame rate");
  if (gen.variable_frame_rate) out.push_back("the generated video has a variable frame rate");
  if (gt.fps > 0 && gen.fps > 0 && std::abs(gt.fps - gen.fps) > 1e-3 * gt.fps) {
    out.push_back(fmt::format("frame rates differ: {:g} (ground truth), {:g}", gt.fps, gen.fps));
  }
  for (const auto& [info, what] :
       {std::pair(&gt, "the ground truth"), std::pair(&gen, "the generated video")}) {
    if (info->lossless == true) continue;
    out.push_back(
        fmt::format("{} {} lossy ({})", what, info->lossless ? "is" : "may be", info->codec));
  }
}

constexpr const char* kLengthHint = " (--length min compares the frames that both have)";

// One generated video on its way through the frames.
class PairState {
 public:
  PairState(VideoReader* reader, const VideoReader& gt, const ScoreOptions& options)
      : reader_(reader), gt_(gt), options_(options) {}

  bool active() const { return active_; }
  const std::string& gen_path() const { return reader_->info().path; }
  // With what the readers know by now: some things are only seen on the way.
  VideoScore TakeScore() {
    score_.gt = gt_.info();
    score_.gen = reader_->info();
    if (score_.gt.num_frames < 0) score_.gt.num_frames = gt_frames_;
    if (score_.gen.num_frames < 0) score_.gen.num_frames = gen_frames_;
    if (score_.ok()) AddWarnings(&score_);
    return std::move(score_);
  }

  void Fail(const std::string& error) {
    active_ = false;
    score_.error = error;
    score_.frames = 0;
    score_.identical_frames = 0;
    values_.clear();
  }

  std::optional<Frame> Next() { return reader_->Next(); }

  // The ground truth ended; `has_more`: this video did not.
  void EndOfGt(bool has_more) {
    gt_frames_ = score_.frames;
    if (!has_more) gen_frames_ = score_.frames;
    if (score_.frames == 0) return Fail("the ground truth has no frames");
    if (has_more && options_.length == LengthPolicy::kStrict) return Fail(TooLong());
    if (has_more) WarnCut("generated video");
    Finish();
  }

  // This video ended, the ground truth did not.
  void EndOfGen() {
    gen_frames_ = score_.frames;
    if (score_.frames == 0) return Fail(Where() + "the generated video has no frames");
    if (options_.length == LengthPolicy::kStrict) {
      return Fail(fmt::format("{}must have as many frames as the ground truth but has only {}{}",
                              Where(),
                              score_.frames,
                              kLengthHint));
    }
    WarnCut("ground truth");
    Finish();
  }

  // The next frame's score.
  void Add(const Frame& gt, const Frame& gen, const FrameScore& score) {
    if (options_.psnr) {
      const double psnr = PsnrFromSquaredError(score.squared_error, gt.rgb.size());
      values_["psnr"].push_back(std::min(psnr, options_.psnr_cap));
    }
    if (options_.ssim) {
      double ssim = score.ssim;
      if (std::isnan(ssim)) ssim = Ssim(gt, gen, options_.ssim_variant);
      if (std::isnan(ssim)) {
        return Fail(fmt::format("SSIM: pictures must hold one window but are {}", Size(gt)));
      }
      values_["ssim"].push_back(ssim);
    }
    if (options_.lpips) values_["lpips"].push_back(score.lpips);
    ++score_.frames;
    score_.identical_frames += score.squared_error == 0 ? 1 : 0;
  }

 private:
  // For messages about the pair.
  std::string Where() const { return gen_path().empty() ? "" : gen_path() + ": "; }

  // Reads on to the end, so that the message tells both lengths.
  std::string TooLong() {
    int64_t frames = score_.frames + 1;
    try {
      while (reader_->Next()) ++frames;
    } catch (const UserError& error) {
      return error.what();
    }
    return fmt::format("{}must have {} frames as the ground truth but has {}{}",
                       Where(),
                       score_.frames,
                       frames,
                       kLengthHint);
  }

  void WarnCut(const char* longer) {
    score_.warnings.push_back(fmt::format(
        "only the first {} frames are compared: the {} has more", score_.frames, longer));
  }

  void Finish() {
    active_ = false;
    for (auto& [metric, values] : values_) {
      std::vector<double> finite;
      for (double value : values) {
        if (std::isfinite(value)) finite.push_back(value);
      }
      score_.scores[metric] =
          finite.empty() ? std::numeric_limits<double>::infinity() : Mean(finite);
      if (options_.per_frame) score_.per_frame[metric] = std::move(values);
    }
  }

  VideoReader* reader_;
  const VideoReader& gt_;
  const ScoreOptions& options_;
  VideoScore score_;
  int64_t gt_frames_ = -1;  // once known by reading
  int64_t gen_frames_ = -1;
  bool active_ = true;
  std::map<std::string, std::vector<double>> values_;
};

// All pairs of one ground truth on their way through the frames. Frames wait until the scorer wants
// them.
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
      std::optional<Frame> gen = pairs_[i].Next();
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
    if (!ended.empty()) ScoreWaiting();
    for (size_t i : ended) pairs_[i].EndOfGen();
    const int batch = scorer_.BatchFrames(gt.width, gt.height);
    if (!same.gens.empty()) {
      same.gt = std::move(gt);
      Wait(std::move(same), std::move(same_pairs));
    }
    if (++steps_ >= batch) ScoreWaiting();
  }

  void End() {
    ScoreWaiting();
    ForEachActive([&](size_t i) { pairs_[i].EndOfGt(pairs_[i].Next().has_value()); });
  }

  void CheckSize(const Frame& frame) const {
    if (!options_.lpips) return;
    const int least = options_.lpips->MinSize();
    if (std::min(frame.width, frame.height) < least) {
      ThrowUserError("LPIPS", "pictures must be at least {0}x{0} but are {1}", least, Size(frame));
    }
  }

  void Wait(FrameGroup group, std::vector<size_t> pairs) {
    waiting_.push_back(std::move(group));
    waiting_pairs_.push_back(std::move(pairs));
  }

  void ScoreWaiting() {
    steps_ = 0;
    if (waiting_.empty()) return;
    const std::vector<std::vector<FrameScore>> scores = scorer_.Score(waiting_, options_);
    for (size_t group = 0; group < waiting_.size(); ++group) {
      for (size_t i = 0; i < scores[group].size(); ++i) {
        PairState& pair = pairs_[waiting_pairs_[group][i]];
        if (pair.active()) {
          pair.Add(waiting_[group].gt, waiting_[group].gens[i], scores[group][i]);
        }
      }
    }
    waiting_.clear();
    waiting_pairs_.clear();
  }

  VideoReader& gt_;
  const ScoreOptions& options_;
  const CpuFrameScorer cpu_;
  const FrameScorer& scorer_;
  std::vector<PairState> pairs_;
  std::vector<FrameGroup> waiting_;
  std::vector<std::vector<size_t>> waiting_pairs_;  // by group: the pair of each generated frame
  int steps_ = 0;                                   // frames of the ground truth that wait
};

}  // namespace

SizePolicy ParseSizePolicy(std::string_view name) {
  return ParseName(kSizePolicies, name, "size policy");
}
std::string_view SizePolicyName(SizePolicy policy) { return NameOf(kSizePolicies, policy); }

LengthPolicy ParseLengthPolicy(std::string_view name) {
  return ParseName(kLengthPolicies, name, "length policy");
}
std::string_view LengthPolicyName(LengthPolicy policy) { return NameOf(kLengthPolicies, policy); }

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
