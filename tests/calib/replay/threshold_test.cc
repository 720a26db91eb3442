#include "calib/replay/threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "datasets/base/error.h"
#include "datasets/base/shard.h"
#include "datasets/results.h"
#include "tests/calib/krea.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

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

TEST(ChooseThresholdForQuality, InterpolatesTheMean) {
  const QualityChoice choice = ChooseThresholdForQuality(Linear(false), {"psnr", 28, false});
  EXPECT_TRUE(choice.reached);
  EXPECT_NEAR(choice.threshold, 0.12, 1e-12);
  EXPECT_LT(choice.threshold95.lo, 0.12);
  EXPECT_GT(choice.threshold95.hi, 0.12);
  EXPECT_NEAR(choice.threshold95.width(), 2 * 1.96 * 1.44 / std::sqrt(50) / 100, 0.003);
}

TEST(ChooseThresholdForQuality, WorstFivePercent) {
  const QualityChoice choice = ChooseThresholdForQuality(Linear(false), {"psnr", 28, true});
  // The 5 % quantile of the offsets is -2.205.
  EXPECT_NEAR(choice.threshold, 0.12 - 0.02205, 1e-9);
  EXPECT_THAT(choice.text, HasSubstr("worst 5 %"));
}

TEST(ChooseThresholdForQuality, LpipsIsBetterWhenLower) {
  std::vector<QualityPoint> points = {{0.1, {0.1, 0.1}}, {0.2, {0.3, 0.3}}};
  EXPECT_NEAR(
      ChooseThresholdForQuality(points, {"lpips", 0.2, false, false}).threshold, 0.15, 1e-12);
  points[0].values = {0.5, 0.5};
  const QualityChoice choice = ChooseThresholdForQuality(points, {"lpips", 0.2, false, false});
  EXPECT_FALSE(choice.reached);
  // Isotonic: 0.4 at both.
  EXPECT_NEAR(choice.quality, 0.4, 1e-12);
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
    EXPECT_NEAR(ChooseThresholdForQuality(points, {"psnr", 50, worst}).threshold, 0.25, 1e-12);
    const QualityChoice high = ChooseThresholdForQuality(points, {"psnr", 150, worst});
    EXPECT_TRUE(high.reached);
    EXPECT_EQ(high.threshold, 0.1);
  }
  // Behind a worse one a threshold of identical videos only is no better than that.
  points = {{0.1, {40, 40}}, {0.2, {inf, inf}}, {0.3, {30, 30}}};
  EXPECT_NEAR(ChooseThresholdForQuality(points, {"psnr", 35, false}).threshold, 0.25, 1e-12);
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
  EXPECT_THROW(ChooseThresholdForQuality({{0.1, {1}}}, {"fvd", 1, false}), UserError);
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
