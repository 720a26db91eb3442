#include "metrics/pairs/pair_state.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/video/format_differences.h"
#include "metrics/frames/resize.h"

namespace teacache {
namespace {

constexpr const char* kLengthHint = " (--length min compares the frames that both have)";

std::string Size(const Frame& frame) { return fmt::format("{}x{}", frame.width, frame.height); }

// What is known of missing first frames, for messages; "" = nothing.
std::string LostAtStart(const VideoInfo& gt, const VideoInfo& gen) {
  std::string text;
  for (const auto& [info, what] :
       {std::pair(&gt, "the ground truth"), std::pair(&gen, "the generated video")}) {
    if (info->lost_at_start == 0) continue;
    text += fmt::format(
        "; {} frames at the start of {} could not be decoded", info->lost_at_start, what);
  }
  return text;
}

// "0005, 0010": the numbers of `of` that `in` lacks.
std::string Missing(const FrameNumbers& of, const FrameNumbers& in) {
  constexpr size_t kMost = 5;
  std::vector<int64_t> missing;
  std::ranges::set_difference(of.values, in.values, std::back_inserter(missing));
  std::vector<std::string> texts;
  for (size_t i = 0; i < std::min(missing.size(), kMost); ++i) {
    texts.push_back(fmt::format("{:0{}}", missing[i], std::max(of.digits, in.digits)));
  }
  if (missing.size() > kMost) texts.push_back(fmt::format("... ({})", missing.size()));
  return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, ", "));
}

int64_t StepOf(const std::vector<int64_t>& numbers) {
  return numbers.size() < 2 ? 1 : numbers[1] - numbers[0];
}

bool RisesEvenly(const std::vector<int64_t>& numbers) {
  for (size_t i = 2; i < numbers.size(); ++i) {
    if (numbers[i] - numbers[i - 1] != StepOf(numbers)) return false;
  }
  return true;
}

// Numbered from another start or in other steps, or with holes at the same places.
bool SameUpToStart(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  if (a.size() != b.size()) return false;
  if (RisesEvenly(a) && RisesEvenly(b)) return true;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] - a[0] != b[i] - b[0]) return false;
  }
  return true;
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

// Frames of numbered pictures belong together by number where the numbers differ.
void PairState::MatchNumbers() {
  const FrameNumbers &gt = gt_.numbers(), &gen = reader_->numbers();
  if (gt.values.empty() || gen.values.empty()) return;
  if (SameUpToStart(gt.values, gen.values)) {
    const int64_t steps[] = {StepOf(gt.values), StepOf(gen.values)};
    if (steps[0] != steps[1]) {
      score_.warnings.push_back(fmt::format(
          "the numbers of the pictures rise in steps of {} (ground truth), {}: compared in order",
          steps[0],
          steps[1]));
    }
    return;
  }
  const bool strict = options_.length == LengthPolicy::kStrict;
  // Without holes the lengths differ, which is said at the end.
  if (strict && RisesEvenly(gt.values) && RisesEvenly(gen.values)) return;
  by_number_.emplace();
  int64_t common = 0;
  for (const int64_t number : gt.values) {
    const auto found = std::lower_bound(gen.values.begin(), gen.values.end(), number);
    const bool both = found != gen.values.end() && *found == number;
    by_number_->push_back(both ? found - gen.values.begin() : -1);
    common += both ? 1 : 0;
  }
  const std::string numbers =
      fmt::format("missing in the ground truth: {}, in the generated one: {}",
                  Missing(gen, gt),
                  Missing(gt, gen));
  if (common == 0 || strict) {
    return Fail(fmt::format("{}must have pictures of the same numbers as the ground truth but {}{}",
                            Where(),
                            numbers,
                            common == 0 ? ""
                                        : fmt::format(" (--length min compares the {} pictures "
                                                      "whose numbers both have)",
                                                      common)));
  }
  score_.warnings.push_back(fmt::format(
      "only the {} pictures whose numbers both have are compared ({})", common, numbers));
}

std::optional<Frame> PairState::Next(size_t step) {
  if (by_number_) {
    for (; next_ < (*by_number_)[step]; ++next_) {
      if (!reader_->Next()) return std::nullopt;
    }
    ++next_;
  }
  return reader_->Next();
}

// Of videos cut at their start, frames in order do not belong together. True = failed.
bool PairState::FailIfShifted() {
  const VideoInfo &gt = gt_.info(), &gen = reader_->info();
  if (gt.lost_at_start == gen.lost_at_start) return false;
  Fail(
      fmt::format("{}cannot be compared frame by frame: the videos differ in length{}, so that "
                  "their first frames do not belong together",
                  Where(),
                  LostAtStart(gt, gen)));
  return true;
}

void PairState::EndOfGt() {
  if (by_number_) return Finish();
  const bool has_more = reader_->Next().has_value();
  gt_frames_ = score_.frames;
  if (!has_more) gen_frames_ = score_.frames;
  if (score_.frames == 0) return Fail("the ground truth has no frames");
  if (has_more && options_.length == LengthPolicy::kStrict) return Fail(TooLong());
  if (has_more && FailIfShifted()) return;
  if (has_more) WarnCut("generated video");
  Finish();
}

void PairState::EndOfGen() {
  gen_frames_ = score_.frames;
  if (score_.frames == 0) return Fail(Where() + "the generated video has no frames");
  if (options_.length == LengthPolicy::kStrict) {
    return Fail(fmt::format("{}must have as many frames as the ground truth but has only {}{}{}",
                            Where(),
                            score_.frames,
                            LostAtStart(gt_.info(), reader_->info()),
                            kLengthHint));
  }
  if (FailIfShifted()) return;
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
  if (score_.ok()) {
    for (std::string& warning : PairWarnings(score_.gt, score_.gen)) {
      score_.warnings.push_back(std::move(warning));
    }
  }
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
  return fmt::format("{}must have {} frames as the ground truth but has {}{}{}",
                     Where(),
                     score_.frames,
                     frames,
                     LostAtStart(gt_.info(), reader_->info()),
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
