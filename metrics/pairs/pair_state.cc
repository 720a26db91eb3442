#include "metrics/pairs/pair_state.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "datasets/base/error.h"
#include "metrics/frames/resize.h"

namespace teacache {
namespace {

constexpr const char* kLengthHint = " (--length min compares the frames that both have)";

std::string Size(const Frame& frame) { return fmt::format("{}x{}", frame.width, frame.height); }

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

}  // namespace

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

void PairState::Add(const FrameScore& score) {
  for (size_t m = 0; m < values_.size(); ++m) values_[m].push_back(score.values[m]);
  ++score_.frames;
  score_.identical_frames += score.squared_error == 0 ? 1 : 0;
}

void PairState::EndOfGt(bool has_more) {
  gt_frames_ = score_.frames;
  if (!has_more) gen_frames_ = score_.frames;
  if (score_.frames == 0) return Fail("the ground truth has no frames");
  if (has_more && options_.length == LengthPolicy::kStrict) return Fail(TooLong());
  if (has_more) WarnCut("generated video");
  Finish();
}

void PairState::EndOfGen() {
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

void PairState::Fail(const std::string& error) {
  active_ = false;
  score_.error = error;
  score_.frames = 0;
  score_.identical_frames = 0;
  values_.clear();
}

VideoScore PairState::TakeScore() {
  score_.gt = gt_.info();
  score_.gen = reader_->info();
  if (score_.gt.num_frames < 0) score_.gt.num_frames = gt_frames_;
  if (score_.gen.num_frames < 0) score_.gen.num_frames = gen_frames_;
  if (score_.ok()) AddWarnings(&score_);
  return std::move(score_);
}

// For messages about the pair.
std::string PairState::Where() const { return gen_path().empty() ? "" : gen_path() + ": "; }

// Reads on to the end, so that the message tells both lengths.
std::string PairState::TooLong() {
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

void PairState::WarnCut(const char* longer) {
  score_.warnings.push_back(
      fmt::format("only the first {} frames are compared: the {} has more", score_.frames, longer));
}

void PairState::Finish() {
  active_ = false;
  for (size_t m = 0; m < values_.size(); ++m) {
    const Metric& metric = *options_.metrics[m];
    score_.scores[metric.info().name] = metric.Pool(values_[m]);
    if (options_.per_frame) score_.per_frame[metric.info().name] = std::move(values_[m]);
  }
}

}  // namespace teacache
