#include "calib/replay/threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "datasets/base/error.h"
#include "datasets/results.h"
#include "datasets/work/shard.h"
#include "tests/calib/krea.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

ReplayInput Random(int prompts, int calls) {
  std::mt19937 random(9);
  std::uniform_real_distribution<double> uniform(0.01, 0.4);
  ReplayInput input;
  input.calls = calls;
  for (int p = 0; p < prompts; ++p) {
    input.prompts.push_back(std::to_string(p));
    SignalRun run;
    run.prompt = p;
    run.x.push_back(0);
    for (int call = 1; call < calls; ++call) run.x.push_back(uniform(random));
    input.runs.push_back(run);
  }
  return input;
}

TEST(ChooseThreshold, SmallestThatReachesTheSkips) {
  const ReplayInput input = Random(8, 30);
  ReplayOptions options{FindEngineRule("teacache"), Polynomial({1, 0}), 0, {}};
  for (double skips : {1.0, 7.5, 14.0, 20.0, 28.0}) {
    const ThresholdChoice choice = ChooseThreshold(input, options, {.skips = skips});
    EXPECT_TRUE(choice.reached);
    EXPECT_GE(choice.mean_skips, skips);
    options.threshold = choice.threshold;
    EXPECT_EQ(Replay(input, options).mean_skips, choice.mean_skips);
    // Rounded up to four digits: a thousandth less does not reach it.
    options.threshold = choice.threshold * 0.998;
    EXPECT_LT(Replay(input, options).mean_skips, skips);
  }
}

TEST(ChooseThreshold, SpeedUpWithMeasuredTimes) {
  ReplayInput input = Random(8, 30);
  input.ms_call = 10;
  input.ms_skipped = 2;
  const ReplayOptions options{FindEngineRule("teacache"), Polynomial({1, 0}), 0, {}};
  const ThresholdChoice choice = ChooseThreshold(input, options, {.speedup = 1.6});
  EXPECT_TRUE(choice.reached);
  EXPECT_GE(choice.speedup, 1.6 - 1e-9);
  EXPECT_LT(choice.speedup, 1.66);
  EXPECT_THAT(choice.text, HasSubstr("predicted speed-up"));
}

TEST(ChooseThreshold, UnreachableTellsTheLimit) {
  ReplayInput input = Random(4, 20);
  input.ms_call = 10;
  input.ms_skipped = 1;
  const ReplayOptions options{FindEngineRule("difflet"), Polynomial({1, 0}), 0, {}};
  const ThresholdChoice choice = ChooseThreshold(input, options, {.speedup = 3});
  EXPECT_FALSE(choice.reached);
  EXPECT_EQ(choice.mean_skips, 10);
  EXPECT_DOUBLE_EQ(choice.speedup, 20.0 / (10 + 10 * 0.1));
  EXPECT_THAT(choice.text, HasSubstr("cannot be reached"));
  EXPECT_THAT(choice.text, HasSubstr("10 calls are always computed"));
  EXPECT_THAT(choice.text, HasSubstr("10 % of a computed one"));
}

TEST(ChooseThreshold, RefusesBadTargets) {
  const ReplayInput input = Random(2, 10);
  const ReplayOptions options{FindEngineRule("teacache"), Polynomial({1, 0}), 0, {}};
  EXPECT_THROW(ChooseThreshold(input, options, {}), UserError);
  EXPECT_THROW(ChooseThreshold(input, options, {.speedup = 2, .skips = 2}), UserError);
  EXPECT_THROW(ChooseThreshold(input, options, {.speedup = 0.5}), UserError);
  EXPECT_THROW(ChooseThreshold(input, options, {.skips = -1}), UserError);
  EXPECT_THROW(ChooseThreshold(input, options, {.skips = std::nan("")}), UserError);
}

TEST(FindUsefulThresholds, EndsWhereNothingChanges) {
  ReplayInput input;
  input.calls = 6;
  input.prompts = {"p"};
  input.runs.push_back({0, 0, "b", {0, 0.2, 0.1, 0.3, 0.1, 0.5}});
  const ReplayOptions options{FindEngineRule("teacache"), Polynomial({1, 0}), 0, {}};
  const UsefulThresholds useful = FindUsefulThresholds(input, options);
  // A skip needs a sum below the threshold: the first at 0.1, after a computed call of 0.2.
  EXPECT_NEAR(useful.lo, 0.1, 1e-9);
  EXPECT_NEAR(useful.hi, 0.7, 1e-9);
  EXPECT_EQ(useful.most_skips, 4);
  EXPECT_THAT(useful.text, HasSubstr("nothing changes any more (4 of 6 calls)"));
  const ReplayOptions capped{FindEngineRule("mlx-teacache"), Polynomial({1, 0}), 0, {}};
  ReplayInput longer = input;
  longer.calls = 30;
  longer.runs[0].x.assign(30, 0.1);
  EXPECT_THAT(FindUsefulThresholds(longer, capped).text,
              HasSubstr("only the limit of 8 skips in a row decides"));
  // Four steps, of which a rule that computes five skips none.
  ReplayInput few = input;
  few.calls = 4;
  few.runs[0].x.resize(4);
  const UsefulThresholds none =
      FindUsefulThresholds(few, {FindEngineRule("sglang"), Polynomial({1, 0}), 0, {}});
  EXPECT_EQ(none.most_skips, 0);
  EXPECT_THAT(none.text, HasSubstr("Nothing can be skipped by sglang's rule in runs of 4 calls"));
}

TEST(Krea, ThresholdForTenSkips) {
  const auto krea = ReadKrea();
  if (!krea) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  const ReplayInput input = MakeReplayInput(*krea);
  const ReplayOptions options{FindEngineRule("teacache"), PublishedKrea(), 0, {}};
  const ThresholdChoice choice = ChooseThreshold(input, options, {.skips = 10});
  EXPECT_GT(choice.threshold, 0.20);
  EXPECT_LE(choice.threshold, 0.30);
}

// PSNR falls by 100 dB per unit of threshold from 40 dB, each video with its own offset.
std::vector<QualityPoint> Linear(bool noise) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal(0, 1);
  std::vector<QualityPoint> points;
  std::vector<double> offsets;
  for (int i = 0; i < 50; ++i) offsets.push_back(i * 0.1 - 2.45);
  for (double threshold : {0.20, 0.05, 0.10, 0.15}) {
    QualityPoint point{threshold, {}};
    for (double offset : offsets) {
      point.values.push_back(40 - 100 * threshold + offset + (noise ? normal(random) : 0));
    }
    points.push_back(point);
  }
  return points;
}

// Between measured thresholds nothing is known.
TEST(ChooseThresholdForQuality, TakesTheLargestMeasuredOne) {
  const QualityChoice choice = ChooseThresholdForQuality(Linear(false), {"psnr", 28, false});
  EXPECT_TRUE(choice.reached);
  EXPECT_EQ(choice.threshold, 0.10);
  EXPECT_NEAR(choice.quality, 30, 1e-9);
  EXPECT_EQ(choice.next_threshold, 0.15);
  EXPECT_NEAR(choice.next_quality, 25, 1e-9);
  EXPECT_EQ(choice.threshold95.lo, 0.10);
  EXPECT_EQ(choice.threshold95.hi, 0.10);
  EXPECT_THAT(choice.text, HasSubstr("the next measured one, 0.15, fails: 25 dB"));
  // A target at a measured value: half of the resamples miss it.
  const QualityChoice edge = ChooseThresholdForQuality(Linear(false), {"psnr", 29.999, false});
  EXPECT_EQ(edge.threshold95.lo, 0.05);
}

// Measured on a real model: a cliff between 0.17 and 0.18.
TEST(ChooseThresholdForQuality, NamesTheCliffAndSettingsThatAreOne) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<QualityPoint> points;
  for (const auto& [threshold, psnr] : std::vector<std::pair<double, double>>{{0.10, inf},
                                                                              {0.15, inf},
                                                                              {0.16, 40.67},
                                                                              {0.17, 36.4},
                                                                              {0.18, 23.87},
                                                                              {0.19, 17.89},
                                                                              {0.20, 17.89}}) {
    points.push_back({threshold, {psnr}});
  }
  const QualityChoice choice = ChooseThresholdForQuality(points, {"psnr", 30, false});
  EXPECT_EQ(choice.threshold, 0.17);
  EXPECT_EQ(choice.quality, 36.4);
  EXPECT_EQ(choice.skips_nothing, (std::vector<double>{0.10, 0.15}));
  EXPECT_EQ(choice.same, (std::vector<std::vector<double>>{{0.10, 0.15}, {0.19, 0.20}}));
  EXPECT_THAT(choice.text,
              AllOf(HasSubstr("the next measured one, 0.18, fails: 23.87 dB"),
                    HasSubstr("0.1 and 0.15 skip nothing"),
                    HasSubstr("0.19 and 0.2 compute the same calls")));
  // A setting that passes behind one that fails is not recommended.
  points[3].values = {20};
  points[4].values = {36};
  EXPECT_EQ(ChooseThresholdForQuality(points, {"psnr", 30, false}).threshold, 0.16);
  // One that skips nothing keeps every quality.
  EXPECT_THAT(ChooseThresholdForQuality(points, {"psnr", 50, false}).text,
              HasSubstr("identical videos was measured"));
}

TEST(ChooseThresholdForQuality, WorstFivePercent) {
  const QualityChoice choice = ChooseThresholdForQuality(Linear(false), {"psnr", 28, true});
  // The 5 % quantile of the offsets is -2.205: 27.795 dB at 0.1.
  EXPECT_EQ(choice.threshold, 0.05);
  EXPECT_NEAR(choice.next_quality, 27.795, 1e-9);
  EXPECT_THAT(choice.text, HasSubstr("worst 5 %"));
}

// Of fewer than 20 videos the worst 5 % are less than one.
TEST(ChooseThresholdForQuality, OfFewVideosTheWorstOneDecides) {
  const auto points = [](size_t videos) {
    std::vector<double> at_once(videos, 40);
    at_once[0] = 29;
    return std::vector<QualityPoint>{{0.1, std::vector<double>(videos, 45)}, {0.2, at_once}};
  };
  const QualityChoice few = ChooseThresholdForQuality(points(19), {"psnr", 30, true});
  EXPECT_EQ(few.threshold, 0.1);
  EXPECT_EQ(few.next_quality, 29);
  EXPECT_THAT(few.text, HasSubstr("psnr of the worst video at or above 30"));
  // The 5th percentile of 41 videos is the third worst one.
  const QualityChoice many = ChooseThresholdForQuality(points(41), {"psnr", 30, true});
  EXPECT_EQ(many.threshold, 0.2);
  EXPECT_THAT(many.text, HasSubstr("of the worst 5 %"));
}

TEST(ChooseThresholdForQuality, LpipsIsBetterWhenLower) {
  std::vector<QualityPoint> points = {{0.1, {0.1, 0.1}}, {0.2, {0.3, 0.3}}};
  EXPECT_EQ(ChooseThresholdForQuality(points, {"lpips", 0.2, false, false}).threshold, 0.1);
  points[0].values = {0.5, 0.5};
  const QualityChoice choice = ChooseThresholdForQuality(points, {"lpips", 0.2, false, false});
  EXPECT_FALSE(choice.reached);
  EXPECT_EQ(choice.quality, 0.5);
}

TEST(ChooseThresholdForQuality, UnreachableAndBeyond) {
  const QualityChoice none = ChooseThresholdForQuality(Linear(true), {"psnr", 60, false});
  EXPECT_FALSE(none.reached);
  EXPECT_EQ(none.threshold, 0.05);
  EXPECT_THAT(none.text, HasSubstr("cannot be reached"));
  const QualityChoice all = ChooseThresholdForQuality(Linear(true), {"psnr", 5, false});
  EXPECT_TRUE(all.reached);
  EXPECT_EQ(all.threshold, 0.20);
  EXPECT_THAT(all.text, HasSubstr("largest one measured"));
}

// One rule for identical videos: left out of the statistic, and alone they satisfy any target.
TEST(ChooseThresholdForQuality, IdenticalVideosSatisfyEveryTarget) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<QualityPoint> points = {{0.1, {inf, inf}}, {0.2, {inf, 60}}, {0.3, {40, 40}}};
  for (const bool worst : {false, true}) {
    EXPECT_EQ(ChooseThresholdForQuality(points, {"psnr", 50, worst}).threshold, 0.2);
    const QualityChoice high = ChooseThresholdForQuality(points, {"psnr", 150, worst});
    EXPECT_TRUE(high.reached);
    EXPECT_EQ(high.threshold, 0.1);
  }
  // After one that fails a threshold of identical videos is not recommended.
  points = {{0.1, {40, 40}}, {0.2, {inf, inf}}, {0.3, {30, 30}}};
  EXPECT_EQ(ChooseThresholdForQuality(points, {"psnr", 35, false}).threshold, 0.2);
  EXPECT_FALSE(ChooseThresholdForQuality(points, {"psnr", 50, false}).reached);
  for (QualityPoint& point : points) point.values = {inf};
  EXPECT_EQ(ChooseThresholdForQuality(points, {"psnr", 500, true}).threshold, 0.3);
  EXPECT_THROW(ChooseThresholdForQuality(points, {"lpips", 1, true}), UserError);
}

TEST(ChooseThresholdForQuality, RefusesBadPoints) {
  EXPECT_THROW(ChooseThresholdForQuality({}, {}), UserError);
  EXPECT_THROW(ChooseThresholdForQuality({{0.1, {1}}, {0.2, {1, 2}}}, {}), UserError);
  EXPECT_THROW(ChooseThresholdForQuality({{0.1, {1}}, {0.1, {1}}}, {}), UserError);
  EXPECT_THROW(ChooseThresholdForQuality({{0.1, {std::nan("")}}}, {}), UserError);
  EXPECT_THROW(ChooseThresholdForQuality({{0.1, {}}}, {}), UserError);
}

TEST(ReadQualityPoints, SharedVideosOfResultFiles) {
  TempDir dir;
  const auto write = [&](const std::string& name,
                         std::vector<std::pair<std::string, double>> videos) {
    Results results;
    for (const auto& [video, psnr] : videos) {
      VideoScore score;
      score.name = video;
      score.frames = 2;
      score.scores["psnr"] = psnr;
      results.videos.push_back(score);
    }
    WriteResults(dir / name, results);
    return dir / name;
  };
  const std::string a = write("a.json", {{"v1", 30}, {"v2", 31}, {"v3", 32}});
  const std::string b = write("b.json", {{"v2", 21}, {"v1", 20}, {"v4", 22}});
  const auto points = ReadQualityPoints({0.1, 0.2}, {a, b}, "psnr");
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].values, (std::vector<double>{30, 31}));
  EXPECT_EQ(points[1].values, (std::vector<double>{20, 21}));
  const std::string c =
      write("c.json", {{"v1", std::numeric_limits<double>::infinity()}, {"v2", 50}});
  EXPECT_EQ(ReadQualityPoints({0.1, 0.2}, {a, c}, "psnr")[1].values,
            (std::vector<double>{std::numeric_limits<double>::infinity(), 50}));
  EXPECT_THROW(ReadQualityPoints({0.1}, {a}, "lpips"), UserError);
  EXPECT_THROW(ReadQualityPoints({0.1}, {a, b}, "psnr"), UserError);
  EXPECT_THROW(ReadQualityPoints({0.1}, {dir / "none.json"}, "psnr"), UserError);
}

TEST(ReadQualityPoints, PartsAreRefused) {
  TempDir dir;
  Results results;
  results.videos.emplace_back().name = "v1";
  results.videos.back().frames = 2;
  results.videos.back().scores["psnr"] = 30;
  const auto error_with = [&](const std::string& mark, const std::string& text) {
    Results marked = results;
    marked.context[mark] = text;
    WriteResults(dir / "r.json", marked);
    try {
      ReadQualityPoints({0.1}, {dir / "r.json"}, "psnr");
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(error_with("shard", "1/4"), testing::HasSubstr("but is part 1/4"));
  EXPECT_THAT(error_with(kMissingParts, "1/4, 3/4"),
              testing::HasSubstr("but lacks the parts 1/4, 3/4"));
  EXPECT_EQ(error_with("gt", "folder"), "");
}

}  // namespace
}  // namespace teacache
