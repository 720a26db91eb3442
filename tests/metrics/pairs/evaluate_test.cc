#include "metrics/pairs/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "datasets/base/error.h"
#include "metrics/frames/psnr.h"
#include "metrics/frames/ssim.h"
#include "metrics/pairs/collect_results.h"
#include "metrics/pairs/results_text.h"
#include "metrics/pairs/teacache_line.h"
#include "tests/metrics/frames/plain_metrics.h"

namespace teacache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kInf = std::numeric_limits<double>::infinity();

Video MakeVideo(int frames, int width, int height, uint32_t seed) {
  Video video;
  video.fps = 8;
  for (int t = 0; t < frames; ++t) {
    video.frames.push_back(MakeFrame(Content::kNatural, width, height, seed + t));
  }
  return video;
}

Video Noisy(const Video& video, int amplitude) {
  Video out = video;
  for (size_t t = 0; t < out.frames.size(); ++t) {
    out.frames[t] = AddNoise(out.frames[t], amplitude, 100 + static_cast<uint32_t>(t));
  }
  return out;
}

// Mean absolute difference of the first samples: a stand-in for a network.
class FakeLpips : public Metric {
 public:
  FakeLpips() : Metric({.name = "lpips", .label = "LPIPS", .higher_is_better = false, .best = 0}) {}
  int MinSize() const override { return 12; }
  std::vector<double> Score(std::span<const FramePair> pairs) const override {
    std::vector<double> out;
    for (const FramePair& pair : pairs) {
      EXPECT_GT(pair.squared_error, 0u);  // identical frames are not asked for
      out.push_back(std::abs(pair.gt->rgb[0] - pair.gen->rgb[0]) / 255.0);
    }
    return out;
  }
};

// `names` and FakeLpips.
Metrics WithFakeLpips(const std::string& names) {
  Metrics metrics = MakeMetrics(names);
  metrics.push_back(std::make_shared<FakeLpips>());
  return metrics;
}

// Frames in turn; throws at one of them.
class FaultyReader : public VideoReader {
 public:
  FaultyReader(Video video, size_t fault) : video_(std::move(video)), fault_(fault) {}
  const VideoInfo& info() const override { return info_; }
  std::optional<Frame> Next() override {
    if (next_ == fault_) ThrowUserError("broken.mp4", "frame {} is damaged", next_);
    if (next_ == video_.frames.size()) return std::nullopt;
    return video_.frames[next_++];
  }

 private:
  Video video_;
  VideoInfo info_;
  size_t fault_;
  size_t next_ = 0;
};

TEST(ScoreVideos, MeansOfFrameValues) {
  const Video gt = MakeVideo(3, 40, 24, 1), gen = Noisy(gt, 7);
  ScoreOptions options;
  options.per_frame = true;
  options.metrics = WithFakeLpips("psnr,ssim");
  const VideoScore score = ScoreVideos(gt, gen, options, "clip");
  ASSERT_EQ(score.error, "");
  EXPECT_EQ(score.name, "clip");
  EXPECT_EQ(score.frames, 3);
  EXPECT_EQ(score.identical_frames, 0);
  double psnr = 0, ssim = 0, lpips = 0;
  for (int t = 0; t < 3; ++t) {
    EXPECT_EQ(score.per_frame.at("psnr")[t], Psnr(gt.frames[t], gen.frames[t]));
    EXPECT_EQ(score.per_frame.at("ssim")[t], Ssim(gt.frames[t], gen.frames[t]));
    psnr += Psnr(gt.frames[t], gen.frames[t]) / 3;
    ssim += Ssim(gt.frames[t], gen.frames[t]) / 3;
    lpips += std::abs(gt.frames[t].rgb[0] - gen.frames[t].rgb[0]) / 255.0 / 3;
  }
  EXPECT_NEAR(score.scores.at("psnr"), psnr, 1e-12);
  EXPECT_NEAR(score.scores.at("ssim"), ssim, 1e-12);
  EXPECT_NEAR(score.scores.at("lpips"), lpips, 1e-12);
}

TEST(ScoreVideos, IdenticalVideosAreInfiniteAndCounted) {
  const Video gt = MakeVideo(3, 20, 20, 1);
  const VideoScore same = ScoreVideos(gt, gt);
  EXPECT_EQ(same.scores.at("psnr"), kInf);
  EXPECT_EQ(same.scores.at("ssim"), 1.0);
  EXPECT_EQ(same.identical_frames, 3);
  Video gen = Noisy(gt, 5);
  gen.frames[1] = gt.frames[1];
  const VideoScore some = ScoreVideos(gt, gen);
  EXPECT_EQ(some.identical_frames, 1);
  EXPECT_NEAR(some.scores.at("psnr"),
              (Psnr(gt.frames[0], gen.frames[0]) + Psnr(gt.frames[2], gen.frames[2])) / 2,
              1e-12);
}

TEST(ScoreVideos, CapCountsIdenticalFrames) {
  const Video gt = MakeVideo(2, 20, 20, 1);
  Video gen = Noisy(gt, 5);
  gen.frames[1] = gt.frames[1];
  ScoreOptions options;
  options.metrics = MakeMetrics("psnr,ssim", {.psnr_cap = 100});
  EXPECT_NEAR(ScoreVideos(gt, gen, options).scores.at("psnr"),
              (Psnr(gt.frames[0], gen.frames[0]) + 100) / 2,
              1e-12);
}

TEST(ScoreVideos, LengthsDiffer) {
  const Video gt = MakeVideo(5, 20, 20, 1);
  Video shorter = Noisy(gt, 3);
  shorter.frames.resize(3);
  EXPECT_THAT(ScoreVideos(gt, shorter).error, HasSubstr("has only 3"));
  EXPECT_THAT(ScoreVideos(gt, shorter).scores, IsEmpty());
  EXPECT_THAT(ScoreVideos(shorter, gt).error, HasSubstr("must have 3 frames"));
  EXPECT_THAT(ScoreVideos(shorter, gt).error, HasSubstr("has 5"));
  ScoreOptions options;
  options.length = LengthPolicy::kMin;
  for (const VideoScore& score :
       {ScoreVideos(gt, shorter, options), ScoreVideos(shorter, gt, options)}) {
    EXPECT_EQ(score.error, "");
    EXPECT_EQ(score.frames, 3);
    EXPECT_THAT(score.warnings, ElementsAre(HasSubstr("only the first 3 frames")));
  }
}

TEST(ScoreVideos, NoFrames) {
  const Video gt = MakeVideo(2, 20, 20, 1), none;
  EXPECT_THAT(ScoreVideos(gt, none).error, HasSubstr("generated video has no frames"));
  EXPECT_THAT(ScoreVideos(none, gt).error, HasSubstr("ground truth has no frames"));
  EXPECT_THAT(ScoreVideos(none, none).error, HasSubstr("no frames"));
}

TEST(ScoreVideos, SizesDiffer) {
  const Video gt = MakeVideo(2, 40, 30, 1), gen = MakeVideo(2, 36, 34, 1);
  EXPECT_THAT(ScoreVideos(gt, gen).error, HasSubstr("must be 40x30"));
  EXPECT_THAT(ScoreVideos(gt, gen).error, HasSubstr("is 36x34"));
  for (const char* policy : {"resize-gen", "resize-gt", "crop", "batch-eval"}) {
    ScoreOptions options;
    options.size = ChoiceOf(kSizePolicies, policy, "size");
    const VideoScore score = ScoreVideos(gt, gen, options);
    EXPECT_EQ(score.error, "") << policy;
    EXPECT_EQ(score.frames, 2) << policy;
  }
  EXPECT_THROW(ChoiceOf(kSizePolicies, "stretch", "size"), UserError);
}

TEST(ScoreVideos, SizeChangesInTheMiddle) {
  const Video gt = MakeVideo(3, 40, 30, 1);
  Video gen = Noisy(gt, 3);
  gen.frames[2] = MakeFrame(Content::kNatural, 38, 30, 1);
  const VideoScore score = ScoreVideos(gt, gen);
  EXPECT_THAT(score.error, HasSubstr("38x30"));
  EXPECT_THAT(score.scores, IsEmpty());
  EXPECT_EQ(score.frames, 0);
}

TEST(ScoreVideos, TooSmallForAWindow) {
  const Video small = MakeVideo(2, 40, 10, 1);
  EXPECT_THAT(ScoreVideos(small, Noisy(small, 3)).error, HasSubstr("40x10"));
  ScoreOptions psnr_only;
  psnr_only.metrics = MakeMetrics("psnr");
  EXPECT_EQ(ScoreVideos(small, Noisy(small, 3), psnr_only).error, "");
  psnr_only.metrics = WithFakeLpips("psnr");
  EXPECT_THAT(ScoreVideos(small, Noisy(small, 3), psnr_only).error, HasSubstr("at least 12x12"));
}

TEST(ScoreStreams, AFaultEndsItsOwnScoreOnly) {
  const Video gt = MakeVideo(3, 20, 20, 1);
  FaultyReader good_gt(gt, 99), good(Noisy(gt, 3), 99), faulty(Noisy(gt, 3), 1);
  const auto scores = ScoreStreams(good_gt, {&faulty, &good}, {});
  EXPECT_THAT(scores[0].error, HasSubstr("broken.mp4: frame 1 is damaged"));
  EXPECT_THAT(scores[0].scores, IsEmpty());
  EXPECT_EQ(scores[1].error, "");
  EXPECT_EQ(scores[1].frames, 3);

  FaultyReader faulty_gt(gt, 2), a(Noisy(gt, 3), 99), b(Noisy(gt, 3), 99);
  for (const VideoScore& score : ScoreStreams(faulty_gt, {&a, &b}, {})) {
    EXPECT_THAT(score.error, HasSubstr("ground truth: broken.mp4"));
    EXPECT_THAT(score.scores, IsEmpty());
  }
}

TEST(ScoreStreams, SeveralAtOnceGiveTheDigitsOfEachAlone) {
  const Video gt = MakeVideo(4, 33, 27, 1);
  Video short_one = Noisy(gt, 9);
  short_one.frames.resize(2);
  const std::vector<Video> gens = {Noisy(gt, 2), short_one, Noisy(gt, 30)};
  ScoreOptions options;
  options.metrics = WithFakeLpips("psnr,ssim");
  options.length = LengthPolicy::kMin;
  FaultyReader reader(gt, 99), a(gens[0], 99), b(gens[1], 99), c(gens[2], 99);
  const auto together = ScoreStreams(reader, {&a, &b, &c}, options);
  for (size_t i = 0; i < gens.size(); ++i) {
    EXPECT_EQ(together[i].scores, ScoreVideos(gt, gens[i], options).scores) << i;
  }
}

VideoScore Row(const std::string& name, std::vector<double> psnr) {
  VideoScore row;
  row.name = name;
  row.frames = static_cast<int64_t>(psnr.size());
  row.scores["psnr"] = Mean(psnr);
  row.per_frame["psnr"] = std::move(psnr);
  return row;
}

TEST(CollectResults, ErrorsDoNotCount) {
  VideoScore bad;
  bad.name = "bad";
  bad.error = "damaged";
  const Results results = CollectResults({Row("a", {20, 22}), bad, Row("b", {30})});
  EXPECT_EQ(results.summary.at("psnr").n, 2);
  EXPECT_DOUBLE_EQ(results.summary.at("psnr").mean, 25.5);
  EXPECT_DOUBLE_EQ(results.summary.at("psnr").frame_weighted_mean, 24);
  EXPECT_EQ(results.NumErrors(), 1);
  EXPECT_THAT(results.context.at("ssim"), HasSubstr("wang-rgb"));
}

TEST(MergeResults, ShardsGiveTheSameAsTheWhole) {
  std::vector<VideoScore> rows, even, odd;
  for (int i = 0; i < 9; ++i) {
    rows.push_back(Row(fmt::format("v{}", i), {20.0 + i * 1.37, 21.0 + i}));
    (i % 2 == 0 ? even : odd).push_back(rows.back());
  }
  Results first = CollectResults(even), second = CollectResults(odd);
  first.context["shard"] = "0/2";
  second.context["shard"] = "1/2";
  EXPECT_EQ(ResultsToJson(MergeResults({first, second})), ResultsToJson(CollectResults(rows)));
  EXPECT_THROW(MergeResults({first, first}), UserError);
  second.context["ssim"] = "another";
  EXPECT_THROW(MergeResults({first, second}), UserError);
}

TEST(MergeResults, APartSaysThatItIsAPart) {
  std::vector<Results> parts;
  for (const char* shard : {"0/3", "2/3"}) {
    parts.push_back(CollectResults({Row(std::string("v") + shard[0], {20})}));
    parts.back().context["shard"] = shard;
  }
  EXPECT_THROW(MergeResults(parts), UserError);
  const Results merged = MergeResults(parts, {}, /*allow_missing_parts=*/true);
  EXPECT_EQ(merged.videos.size(), 2u);
  EXPECT_THAT(ResultsToJson(merged), HasSubstr(R"("missing_parts": "1/3")"));
  EXPECT_THAT(ResultsText(merged), testing::StartsWith("PARTIAL RESULT: parts 1/3 are missing\n"));
  EXPECT_THAT(ResultsToCsv(merged), HasSubstr(",missing_parts\n"));
  EXPECT_THAT(ResultsToCsv(merged), HasSubstr(",1/3\n"));
  EXPECT_THROW(MergeResults({merged, parts[0]}, {}, true), UserError);
}

TEST(TeaCacheLine, IsTheMeanOfMeansOfBatchesOf16) {
  std::vector<VideoScore> rows;
  double first = 0;
  for (int i = 0; i < 17; ++i) {
    rows.push_back(Row(fmt::format("v{}", i), {10.0 + i, 14.0 + i}));
    rows.back().per_frame["ssim"] = {0.5, 0.7};
    if (i < 16) first += 12.0 + i;
  }
  Results results;
  results.videos = rows;
  const TeaCacheMeans means = MeansOfBatches(results);
  EXPECT_NEAR(means.psnr, (first / 16 + 28) / 2, 1e-12);
  EXPECT_EQ(TeaCacheLine(results), "lpips: n/a, psnr: 23.7500, ssim: 0.6000");
  EXPECT_NEAR(MeansOfBatches(results, 8).psnr, (15.5 + 23.5 + 28) / 3, 1e-12);
}

TEST(TeaCacheLine, FailsWhereTheScriptFails) {
  Results results;
  EXPECT_THROW(TeaCacheLine(results), UserError);
  results.videos = {Row("a", {1, 2}), Row("b", {1, 2, 3})};
  EXPECT_THAT([&] { TeaCacheLine(results); },
              testing::ThrowsMessage<UserError>(HasSubstr("must have 2 frames")));
  results.videos[1].error = "damaged";
  EXPECT_THAT([&] { TeaCacheLine(results); },
              testing::ThrowsMessage<UserError>(HasSubstr("b: damaged")));
}

}  // namespace
}  // namespace teacache
