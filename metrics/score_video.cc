// One pair, frame by frame.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "datasets/error.h"
#include "metrics/evaluate.h"
#include "metrics/psnr.h"
#include "metrics/resize.h"

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

std::string Size(const Frame& frame) { return fmt::format("{}x{}", frame.width, frame.height); }

// Brings a pair to one size, or throws.
void MatchSizes(SizePolicy policy, Frame* gt, Frame* gen) {
  if (gt->width == gen->width && gt->height == gen->height) return;
  switch (policy) {
    case SizePolicy::kStrict:
      ThrowUserError("size",
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
  if (!gt.lossless) out.push_back("the ground truth is lossy (" + gt.codec + ")");
  if (!gen.lossless) out.push_back("the generated video is lossy (" + gen.codec + ")");
}

constexpr const char* kLengthHint = " (--length min compares the frames that both have)";

// One generated video on its way through the frames.
class PairState {
 public:
  PairState(VideoReader* reader, const VideoReader& gt, const ScoreOptions& options)
      : reader_(reader), gt_(gt), options_(options) {}

  bool active() const { return active_; }
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
    if (score_.frames == 0) return Fail("the generated video has no frames");
    if (options_.length == LengthPolicy::kStrict) {
      return Fail(fmt::format("must have as many frames as the ground truth but has only {}{}",
                              score_.frames,
                              kLengthHint));
    }
    WarnCut("ground truth");
    Finish();
  }

  void Add(const std::string& metric, double value) { values_[metric].push_back(value); }
  void CountFrame(bool identical) {
    ++score_.frames;
    score_.identical_frames += identical ? 1 : 0;
  }

 private:
  // Reads on to the end, so that the message tells both lengths.
  std::string TooLong() {
    int64_t frames = score_.frames + 1;
    try {
      while (reader_->Next()) ++frames;
    } catch (const UserError& error) {
      return error.what();
    }
    return fmt::format(
        "must have {} frames as the ground truth but has {}{}", score_.frames, frames, kLengthHint);
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

// PSNR and SSIM of frames of one size. Throws UserError.
void ScoreFrame(const Frame& gt, const Frame& gen, const ScoreOptions& options, PairState* pair) {
  const uint64_t error = SquaredError(gt.rgb, gen.rgb);
  if (options.psnr) {
    const double psnr = PsnrFromSquaredError(error, gt.rgb.size());
    pair->Add("psnr", std::min(psnr, options.psnr_cap));
  }
  if (options.ssim) {
    const double ssim =
        error == 0 && gt.width >= 11 && gt.height >= 11 ? 1.0 : Ssim(gt, gen, options.ssim_variant);
    if (std::isnan(ssim)) {
      ThrowUserError("SSIM", "pictures must hold one window but are {}", Size(gt));
    }
    pair->Add("ssim", ssim);
  }
  pair->CountFrame(error == 0);
}

void CheckLpipsSize(const PerceptualMetric& lpips, const Frame& frame) {
  if (std::min(frame.width, frame.height) < lpips.MinSize()) {
    ThrowUserError(
        "LPIPS", "pictures must be at least {0}x{0} but are {1}", lpips.MinSize(), Size(frame));
  }
}

}  // namespace

std::vector<VideoScore> ScoreStreams(VideoReader& gt,
                                     const std::vector<VideoReader*>& gens,
                                     const ScoreOptions& options) {
  std::vector<PairState> pairs;
  pairs.reserve(gens.size());
  for (VideoReader* gen : gens) pairs.emplace_back(gen, gt, options);
  const auto any_active = [&] {
    return std::any_of(pairs.begin(), pairs.end(), [](const auto& p) { return p.active(); });
  };
  while (any_active()) {
    std::optional<Frame> gt_frame;
    try {
      gt_frame = gt.Next();
    } catch (const UserError& error) {
      for (PairState& pair : pairs) {
        if (pair.active()) pair.Fail(std::string("ground truth: ") + error.what());
      }
      break;
    }
    const bool gt_ended = !gt_frame.has_value();
    // Frames of equal size wait here, so that LPIPS sees the ground truth once.
    std::vector<Frame> waiting;
    std::vector<size_t> waiting_pair;
    for (size_t i = 0; i < pairs.size(); ++i) {
      PairState& pair = pairs[i];
      if (!pair.active()) continue;
      try {
        std::optional<Frame> gen_frame = pair.Next();
        if (gt_ended) {
          pair.EndOfGt(gen_frame.has_value());
          continue;
        }
        if (!gen_frame) {
          pair.EndOfGen();
          continue;
        }
        Frame reference;  // a copy only where sizes differ
        const bool same =
            gt_frame->width == gen_frame->width && gt_frame->height == gen_frame->height;
        if (!same) {
          reference = *gt_frame;
          MatchSizes(options.size, &reference, &*gen_frame);
        }
        const Frame& against = same ? *gt_frame : reference;
        if (options.lpips) CheckLpipsSize(*options.lpips, against);
        ScoreFrame(against, *gen_frame, options, &pair);
        if (!options.lpips) continue;
        if (same) {
          waiting.push_back(std::move(*gen_frame));
          waiting_pair.push_back(i);
        } else {
          const Frame* const one[] = {&*gen_frame};
          pair.Add("lpips", options.lpips->Distances(against, one)[0]);
        }
      } catch (const UserError& error) {
        pair.Fail(error.what());
      }
    }
    if (!waiting.empty()) {
      std::vector<const Frame*> frames;
      for (const Frame& frame : waiting) frames.push_back(&frame);
      const std::vector<double> distances = options.lpips->Distances(*gt_frame, frames);
      for (size_t i = 0; i < frames.size(); ++i) {
        pairs[waiting_pair[i]].Add("lpips", distances[i]);
      }
    }
  }
  std::vector<VideoScore> scores;
  for (PairState& pair : pairs) scores.push_back(pair.TakeScore());
  return scores;
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
