#include "reports/findings/summaries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "datasets/base/error.h"
#include "metrics/pooling.h"
#include "reports/data/report_json.h"
#include "reports/findings/choices.h"
#include "reports/findings/conclusions.h"
#include "reports/findings/decisions.h"
#include "reports/findings/labels.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ReportVideo MakeVideo(int prompt, double psnr, double seconds, std::vector<bool> computed) {
  ReportVideo video;
  video.prompt = prompt;
  video.scores["psnr"] = psnr;
  video.scores["ssim"] = psnr / 100;
  video.computed = std::move(computed);
  video.transformer_seconds = seconds - 0.1;
  video.decode_seconds = 0.1;
  video.total_seconds = seconds;
  return video;
}

ReportRow MakeRow(const std::string& id,
                  const std::string& policy,
                  std::vector<ReportVideo> videos) {
  ReportRow row;
  row.id = id;
  row.model = "m";
  row.policy = policy;
  row.calls = 4;
  row.videos = std::move(videos);
  return row;
}

// Four prompts; TeaCache at 40, 41, 42, 43 dB and uniform skipping `lead` dB below.
Report SmallReport(double lead) {
  Report report;
  report.models.emplace_back().name = "m";
  report.context.fit_prompts = {"w"};
  report.context.test_prompts = {"a", "b", "c", "d"};
  report.context.seeds = {0};
  ReportRow uncached = MakeRow("none", "none", {});
  ReportRow cached = MakeRow("teacache-0.1", "teacache", {});
  cached.threshold = 0.1;
  ReportRow uniform = MakeRow("uniform-2", "uniform", {});
  uniform.computed_target = 2;
  uniform.matches = cached.id;
  for (int i = 0; i < 4; ++i) {
    const double wobble = 0.1 * (i % 2);
    uncached.videos.push_back(MakeVideo(i, 0, 2.0, {1, 1, 1, 1}));
    cached.videos.push_back(MakeVideo(i, 40 + i, 1.0, {1, 0, 0, 1}));
    uniform.videos.push_back(MakeVideo(i, 40 + i - lead + wobble, 1.0, {1, 0, 1, 0}));
  }
  report.rows = {uncached, cached, uniform};
  return report;
}

TEST(SummarizeReport, FillsRowsFromTheirVideos) {
  Report report = SmallReport(2);
  SummarizeReport(&report);
  const ReportRow& row = report.rows[1];
  EXPECT_DOUBLE_EQ(row.computed_mean, 2);
  EXPECT_EQ(row.longest_skip, 2);
  EXPECT_EQ(report.rows[2].longest_skip, 1);
  EXPECT_DOUBLE_EQ(*row.scores.at("psnr").mean, 41.5);
  EXPECT_DOUBLE_EQ(*row.scores.at("psnr").median, 41.5);
  EXPECT_DOUBLE_EQ(*row.scores.at("psnr").worst, 40);
  EXPECT_FALSE(row.scores.at("psnr").p5.has_value());  // of four videos
  EXPECT_EQ(row.scores.at("psnr").n, 4);
  EXPECT_LT(row.scores.at("psnr").ci95->lo, 41.5);
  EXPECT_GT(row.scores.at("psnr").ci95->hi, 41.5);
  EXPECT_FALSE(row.scores.contains("lpips"));
  EXPECT_DOUBLE_EQ(row.speedup_total.value, 2);
  EXPECT_NEAR(row.speedup_transformer.value, 1.9 / 0.9, 1e-12);
  EXPECT_DOUBLE_EQ(row.speedup_total.ci95->lo, 2);
  EXPECT_DOUBLE_EQ(row.total.median, 1);
  EXPECT_EQ(row.total.n, 4);
  EXPECT_FALSE(report.rows[0].scores.contains("psnr"));
}

TEST(SummarizeReport, PairsByPromptAndSeed) {
  Report report = SmallReport(2);
  std::ranges::reverse(report.rows[2].videos);
  SummarizeReport(&report);
  ASSERT_EQ(report.comparisons.size(), 1u);
  const ReportComparison& comparison = report.comparisons[0];
  EXPECT_EQ(comparison.a, "teacache-0.1");
  EXPECT_EQ(comparison.b, "uniform-2");
  EXPECT_NEAR(comparison.differences.at("psnr").mean, 1.95, 1e-12);
  EXPECT_EQ(comparison.differences.at("psnr").n, 4);
  EXPECT_FALSE(comparison.differences.contains("lpips"));
  EXPECT_EQ(Verdict(report, comparison), 1);
}

TEST(SummarizeReport, FailedVideosCountNowhere) {
  Report report = SmallReport(2);
  ReportVideo& failed = report.rows[1].videos[3];
  failed.error = "cut";
  failed.total_seconds = 100;
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(*report.rows[1].scores.at("psnr").mean, 41);
  EXPECT_EQ(report.rows[1].scores.at("psnr").n, 3);
  EXPECT_EQ(report.rows[1].total.n, 3);
  EXPECT_EQ(report.comparisons[0].differences.at("psnr").n, 3);
  EXPECT_THAT(ConclusionTexts(report), Contains(StartsWith("1 of 12 videos failed")));
}

TEST(SummarizeReport, IdenticalVideosAreCountedNotAveraged) {
  Report report = SmallReport(2);
  report.rows[1].videos[0].scores.erase("psnr");
  report.rows[1].videos[0].identical = true;
  SummarizeReport(&report);
  EXPECT_EQ(report.rows[1].scores.at("psnr").identical, 1);
  EXPECT_EQ(report.rows[1].scores.at("psnr").n, 3);
  EXPECT_DOUBLE_EQ(*report.rows[1].scores.at("psnr").mean, 42);
}

TEST(SummarizeReport, SameInputSameDigits) {
  Report once = SyntheticSweep();
  SummarizeReport(&once);
  Report twice = once;
  SummarizeReport(&twice);
  EXPECT_EQ(ReportJson(once), ReportJson(twice));
}

TEST(SummarizeReport, RefusesReportsThatContradictThemselves) {
  Report report = SmallReport(2);
  report.rows[2].id = "none";
  EXPECT_THROW(SummarizeReport(&report), UserError);
  report = SmallReport(2);
  report.rows[2].matches = "teacache-9";
  EXPECT_THROW(SummarizeReport(&report), UserError);
  report = SmallReport(2);
  report.rows[2].videos[0].prompt = 4;
  EXPECT_THROW(SummarizeReport(&report), UserError);
  report = SmallReport(2);
  report.rows[2].videos[0].scores["ssim"] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(SummarizeReport(&report), UserError);
}

TEST(Verdict, OfTheFirstMetricThatBothHave) {
  Report report;
  report.metrics = {
      UndescribedMetric("psnr"), UndescribedMetric("ssim"), UndescribedMetric("lpips")};
  ReportComparison comparison;
  EXPECT_EQ(Verdict(report, comparison), 0);
  comparison.differences["lpips"] = ReportDifference{-0.1, {-0.2, -0.05}, 5, 5, 0, 1};
  EXPECT_EQ(Verdict(report, comparison), 1);  // lower is better
  comparison.differences["ssim"] = ReportDifference{-0.1, {-0.2, -0.05}, 5, 0, 5, -1};
  EXPECT_EQ(Verdict(report, comparison), -1);
  comparison.differences["psnr"] = ReportDifference{1, {-0.1, 2}, 5, 3, 2, 0};
  EXPECT_EQ(Verdict(report, comparison), 0);
  comparison.differences["psnr"] = ReportDifference{1, {0.1, 2}, 5, 5, 0, 1};
  EXPECT_EQ(Verdict(report, comparison), 1);
}

TEST(DrawConclusions, SaysWhoWins) {
  Report report = SmallReport(2);
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report)[0],
              AllOf(StartsWith("TeaCache 0.1 is the fastest setting that keeps the worst video at "
                               "30 dB or more: 2.00× (2.00–2.00) faster"),
                    HasSubstr("Uniform skipping at as many calls is worse there")));
  EXPECT_THAT(ConclusionTexts(report),
              Contains(HasSubstr("TeaCache beats uniform skipping at threshold 0.1 (+1.9 dB).")));
}

TEST(DrawConclusions, SaysWhereUniformSkippingIsAsGoodOrBetter) {
  Report report = SmallReport(-2);
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report)[0], HasSubstr("is better there"));
  EXPECT_THAT(ConclusionTexts(report),
              Contains(AllOf(HasSubstr("is worse than uniform skipping at threshold 0.1"),
                             HasSubstr("never beats it"))));
  report = SmallReport(0.05);
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report)[0], HasSubstr("shows no clear difference there"));
  EXPECT_THAT(ConclusionTexts(report),
              Contains(HasSubstr("does not differ clearly from uniform skipping")));
  EXPECT_THAT(ConclusionTexts(report), Each(Not(HasSubstr("TeaCache beats"))));
}

TEST(DrawConclusions, NoThresholdGoodEnough) {
  Report report = SmallReport(2);
  report.context.floor.value = 60;
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report)[0], StartsWith("No setting keeps the worst video at 60 dB"));
}

TEST(DrawConclusions, SharedPromptsAreCalledOut) {
  Report report = SmallReport(2);
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report), Contains("Fitted on 1 prompt, scored on 4 others."));
  report.context.fit_prompts = {"x", "c"};
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report), Contains(StartsWith("Caution: 1 of 4 test prompts")));
}

TEST(DrawConclusions, WeakSignalIsCalledWeak) {
  Report report = SmallReport(2);
  ReportFit fit;
  fit.model = "m";
  fit.coefficients = {1, 0};
  fit.r2 = 0.2;
  report.fits = {fit};
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report), Contains(HasSubstr("is weak")));
}

TEST(DrawConclusions, AFrontOfOnePolicyIsNotCountedTwice) {
  Report report = SmallReport(2);
  ReportRow larger = report.rows[1];
  larger.id = "teacache-0.3";
  larger.threshold = 0.3;
  for (ReportVideo& video : larger.videos) {
    video.scores.at("psnr") -= 10;
    video.total_seconds = 0.5;
  }
  report.rows.push_back(larger);
  SummarizeReport(&report);
  EXPECT_THAT(
      ConclusionTexts(report),
      Contains("2 settings, all of TeaCache, are not beaten in both speed and PSNR by any other."));
}

TEST(DrawConclusions, EmptyReport) {
  Report report;
  SummarizeReport(&report);
  EXPECT_TRUE(report.conclusions.empty());
}

// Four prompts; uniform skipping is faster and keeps the floor, TeaCache is better.
Report FastUniform() {
  Report report = SmallReport(5);
  for (ReportVideo& video : report.rows[2].videos) video.total_seconds = 0.5;
  return report;
}

TEST(ChooseSettings, TheFastestOfAllPoliciesThatKeepsTheFloor) {
  Report report = FastUniform();
  report.context.floor.value = 35;
  SummarizeReport(&report);
  ASSERT_EQ(report.choices.size(), 1u);
  const ReportChoice& choice = report.choices[0];
  EXPECT_EQ(choice.metric, "psnr");
  EXPECT_EQ(choice.floor, 35);
  EXPECT_TRUE(choice.of_worst_video);
  ASSERT_EQ(choice.options.size(), 2u);
  EXPECT_EQ(BestOption(choice)->row, "uniform-2");
  EXPECT_DOUBLE_EQ(*BestOption(choice)->worst, 35);
  EXPECT_EQ(BestOption(choice)->videos, 4);
  EXPECT_EQ(TeaCacheOption(choice)->row, "teacache-0.1");
  // Half the seconds in every pair.
  EXPECT_DOUBLE_EQ(TeaCacheOption(choice)->behind.value, 2);
  EXPECT_DOUBLE_EQ(TeaCacheOption(choice)->behind.ci95->lo, 2);
  EXPECT_THAT(
      ConclusionTexts(report)[0],
      AllOf(StartsWith("Uniform skipping 2 calls is the fastest setting that keeps the "
                       "worst video at 35 dB or more: 4.00×"),
            HasSubstr(
                "35.0 dB over 4 videos. TeaCache's fastest such setting is TeaCache 0.1, 2.00×"),
            HasSubstr("uniform skipping 2 calls is 2.00× (2.00–2.00) faster than that, "
                      "beyond the interval.")));
}

TEST(ChooseSettings, PoliciesThatMissTheFloorComeLast) {
  Report report = FastUniform();
  report.context.floor.value = 36;
  SummarizeReport(&report);
  const ReportChoice* choice = FindChoice(report, "m");
  EXPECT_EQ(BestOption(*choice)->row, "teacache-0.1");
  EXPECT_FALSE(choice->options[1].keeps);
  EXPECT_EQ(choice->options[1].behind.value, 0);
  EXPECT_THAT(ConclusionTexts(report)[0], HasSubstr("No other policy keeps it."));
  report.context.floor.value = 60;
  SummarizeReport(&report);
  EXPECT_EQ(BestOption(report.choices[0]), nullptr);
  EXPECT_EQ(FindChoice(report, "other"), nullptr);
}

// Of a metric that is better when lower the floor is a ceiling.
TEST(ChooseSettings, AnyMetricCanBeTheFloor) {
  Report report = FastUniform();
  report.metrics.push_back({.name = "lpips", .label = "LPIPS", .higher_is_better = false});
  for (int i = 0; i < 4; ++i) {
    report.rows[1].videos[i].scores["lpips"] = 0.1;
    report.rows[2].videos[i].scores["lpips"] = i == 2 ? 0.3 : 0.05;
  }
  report.context.floor = {"lpips", 0.2};
  SummarizeReport(&report);
  EXPECT_EQ(BestOption(report.choices[0])->row, "teacache-0.1");
  EXPECT_DOUBLE_EQ(*report.choices[0].options[1].worst, 0.3);
  EXPECT_THAT(ConclusionTexts(report)[0], HasSubstr("keeps the worst video at 0.2 LPIPS or less"));
  report.context.floor.value = 0.3;
  SummarizeReport(&report);
  EXPECT_EQ(BestOption(report.choices[0])->row, "uniform-2");
}

TEST(ParseFloor, MetricAndNumber) {
  EXPECT_EQ(ParseFloor("ssim=0.95").metric, "ssim");
  EXPECT_EQ(ParseFloor("ssim=0.95").value, 0.95);
  EXPECT_EQ(ParseFloor("28.5").metric, "psnr");
  for (const char* wrong : {"", "ssim", "=3", "psnr=", "psnr=3x", "psnr=inf"}) {
    EXPECT_THROW(ParseFloor(wrong), UserError) << wrong;
  }
}

TEST(ChooseSettings, AHeadlineSaysWhereTheIntervalDecidesNothing) {
  Report report = SmallReport(2);
  report.rows[2].videos[0].total_seconds = 2;
  report.rows[2].videos[1].total_seconds = 2;
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report)[0],
              AllOf(HasSubstr("Next is uniform skipping 2 calls, 1.50×"),
                    HasSubstr("faster than that, which is no clear difference.")));
}

TEST(WorstScore, OfFewVideosTheWorstOne) {
  const MetricInfo psnr = UndescribedMetric("psnr");
  Report report = SmallReport(2);
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(WorstScore(report.rows[1], psnr), 40);
  EXPECT_TRUE(std::isnan(WorstScore(report.rows[0], psnr)));
  for (ReportVideo& video : report.rows[1].videos) {
    video.scores.erase("psnr");
    video.identical = true;
  }
  SummarizeReport(&report);
  EXPECT_EQ(WorstScore(report.rows[1], psnr), std::numeric_limits<double>::infinity());
  report = SyntheticSweep({.prompts = 10, .failed_video = false});  // of two seeds: 20 videos
  EXPECT_FALSE(report.choices[0].of_worst_video);
  EXPECT_EQ(WorstScore(report.rows[1], psnr), *report.rows[1].scores.at("psnr").p5);
  EXPECT_GT(*report.rows[1].scores.at("psnr").p5, *report.rows[1].scores.at("psnr").worst);
}

// 45.9 over five, 54.9 over six: both stand there.
TEST(SummarizeReport, MeansWithAndWithoutIdenticalVideos) {
  Report report = SmallReport(2);
  SummarizeReport(&report);
  EXPECT_FALSE(report.rows[1].scores.at("psnr").capped_mean.has_value());
  report.rows[1].videos[3].scores.erase("psnr");
  report.rows[1].videos[3].identical = true;
  SummarizeReport(&report);
  const ReportMetric& psnr = report.rows[1].scores.at("psnr");
  EXPECT_DOUBLE_EQ(*psnr.mean, 41);
  EXPECT_DOUBLE_EQ(*psnr.capped_mean, (3 * 41 + 100) / 4.0);
  EXPECT_THAT(
      MeanText(psnr, 2),
      AllOf(StartsWith("41.00 ("), HasSubstr(") over 3; 55.75 over 4 with identical ones as 100")));
}

// Two videos are identical with TeaCache, which is a little worse in the other two.
TEST(SummarizeReport, IdenticalVideosWinTheirPairs) {
  Report report = SmallReport(-0.5);
  SummarizeReport(&report);
  EXPECT_EQ(report.comparisons[0].verdict, -1);
  for (const int i : {0, 1}) {
    report.rows[1].videos[i].scores.erase("psnr");
    report.rows[1].videos[i].identical = true;
  }
  SummarizeReport(&report);
  const ReportDifference& psnr = report.comparisons[0].differences.at("psnr");
  EXPECT_EQ(psnr.a_better, 2);
  EXPECT_EQ(psnr.b_better, 2);
  EXPECT_EQ(psnr.n, 2);
  EXPECT_EQ(psnr.verdict, 0);  // 94 % of the resamples hold an identical video
  // Identical on both sides is no difference.
  for (const int i : {0, 1}) {
    report.rows[2].videos[i].scores.erase("psnr");
    report.rows[2].videos[i].identical = true;
  }
  SummarizeReport(&report);
  EXPECT_EQ(report.comparisons[0].differences.at("psnr").a_better, 0);
}

TEST(TellsApart, ByIntervalsWithoutACommonPoint) {
  Report report = SmallReport(2);
  SummarizeReport(&report);
  const MetricInfo psnr = UndescribedMetric("psnr");
  EXPECT_FALSE(TellsApart(report, "m", psnr));  // 41.5 and 39.6, each about 1 off
  report = SmallReport(9);
  SummarizeReport(&report);
  EXPECT_TRUE(TellsApart(report, "m", psnr));
}

TEST(SummarizeReport, PoolsInTheOrderOfFileNames) {
  Report report = SmallReport(2);
  const std::vector<std::string> names = {"b10", "b2", "a", "c"};
  for (int i = 0; i < 4; ++i) {
    report.rows[1].videos[i].scored_path = "videos/teacache-0.1/" + names[i] + ".mkv";
  }
  SummarizeReport(&report);
  // As eval-metrics: a, b2, b10, c.
  const std::vector<double> values = {42, 41, 40, 43};
  const MetricSummary expected = Summarize(values);
  EXPECT_EQ(report.rows[1].scores.at("psnr").ci95->lo, expected.ci95->lo);
  EXPECT_EQ(report.rows[1].scores.at("psnr").ci95->hi, expected.ci95->hi);
  EXPECT_EQ(*report.rows[1].scores.at("psnr").mean, expected.mean);
}

TEST(SummarizeReport, TimesAreMediansOfAllRuns) {
  Report report = SmallReport(2);
  for (ReportVideo& video : report.rows[1].videos) video.total_runs = {0.9, 1.0, 1.4};
  SummarizeReport(&report);
  EXPECT_EQ(report.rows[1].total.n, 12);
  EXPECT_DOUBLE_EQ(report.rows[1].total.median, 1.0);
  EXPECT_DOUBLE_EQ(report.rows[1].total.hi, 1.4);
}

// The machine becomes four times slower from round to round, and videos differ by a factor of ten:
// every pair says two, whatever the medians of the seconds say.
TEST(SummarizeReport, SpeedupsPairRunsOfOneRoundAndVideo) {
  Report report = SmallReport(2);
  for (int i = 0; i < 4; ++i) {
    const double length = i == 3 ? 10 : 1;
    report.rows[0].videos[i].total_runs = {2 * length, 8 * length, 32 * length};
    report.rows[1].videos[i].total_runs = {length, 4 * length, 16 * length};
  }
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.value, 2);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.ci95->lo, 2);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.ci95->hi, 2);
  // One round of one video was disturbed: the median of its rounds is not.
  report.rows[1].videos[0].total_runs[1] = 100;
  // One video gains nothing: the median over four videos stays, the interval says so.
  report.rows[1].videos[2].total_runs = report.rows[0].videos[2].total_runs;
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.value, 2);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.ci95->lo, 1);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.ci95->hi, 2);
}

// Reports of other tools may have other numbers of runs on each side: then the medians count.
TEST(SummarizeReport, SpeedupsWithoutRoundsUseTheSecondsOfTheVideos) {
  Report report = SmallReport(2);
  for (int i = 0; i < 4; ++i) report.rows[0].videos[i].total_runs = {1, 2, 3};
  report.rows[1].videos[3].total_seconds = -1;
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.value, 2);
}

TEST(SummarizeReport, SharesOfWhatVideosShow) {
  Report report = SmallReport(2);
  for (int i = 0; i < 4; ++i) {
    report.rows[1].videos[i].shows = {{"shape", i > 0}, {"all", i > 1}};
    report.rows[1].videos[i].scene_iou = 0.25 * i;
  }
  SummarizeReport(&report);
  ASSERT_EQ(report.rows[1].adherence.size(), 2u);
  EXPECT_EQ(report.rows[1].adherence[0].axis, "shape");
  EXPECT_DOUBLE_EQ(report.rows[1].adherence[0].share, 0.75);
  // Wilson's interval for 3 of 4.
  EXPECT_NEAR(report.rows[1].adherence[0].ci95->lo, 0.300642, 1e-6);
  EXPECT_NEAR(report.rows[1].adherence[0].ci95->hi, 0.954413, 1e-6);
  EXPECT_DOUBLE_EQ(*report.rows[1].scene_iou, 0.375);
}

TEST(DrawConclusions, NoSettingIsTheLowestWhereAllShowTheSame) {
  Report report = SmallReport(2);
  for (ReportRow& row : report.rows) {
    for (ReportVideo& video : row.videos) video.shows = {{"shape", true}};
  }
  SummarizeReport(&report);
  EXPECT_THAT(ConclusionTexts(report),
              Contains(HasSubstr("100 % of the judged properties, and no TeaCache setting shows "
                                 "less.")));
}

TEST(SummarizeReport, ComparesReplayedWithLiveSchedules) {
  Report report = SmallReport(2);
  report.rows[1].videos[0].replayed = {1, 0, 0, 1};
  report.rows[1].videos[1].replayed = {1, 0, 1, 1};
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(*report.rows[1].replayed_mean, 2.5);
  EXPECT_DOUBLE_EQ(*report.rows[1].replayed_agrees, 7.0 / 8);
  EXPECT_FALSE(report.rows[0].replayed_mean.has_value());
  EXPECT_THAT(ConclusionTexts(report), Contains(HasSubstr("88 % of the calls agree")));
}

TEST(SummarizeReport, FurtherMetricsArePooled) {
  Report report = SmallReport(2);
  report.metrics = {
      {.name = "flicker", .label = "flicker", .higher_is_better = false, .needs_reference = false}};
  for (int i = 0; i < 4; ++i) report.rows[1].videos[i].scores["flicker"] = 0.1 * i;
  SummarizeReport(&report);
  ASSERT_TRUE(report.rows[1].scores.contains("flicker"));
  EXPECT_NEAR(*report.rows[1].scores.at("flicker").mean, 0.15, 1e-12);
  EXPECT_NEAR(*report.rows[1].scores.at("flicker").worst, 0.3, 1e-12);  // lower is better
  EXPECT_TRUE(report.rows[0].scores.empty());
}

TEST(AddRowNotes, SaysWhatIsUnusual) {
  Report report = SmallReport(2);
  ReportRow nothing = report.rows[1];
  nothing.id = "teacache-0";
  nothing.threshold = 0;
  nothing.codec = "h264";
  for (ReportVideo& video : nothing.videos) video.computed = {1, 1, 1, 1};
  nothing.videos[2].error = "missing";
  report.rows[0].codec = "ffv1";
  report.rows[2].videos[0].computed = {1, 1, 1, 1};
  report.rows.push_back(nothing);
  SummarizeReport(&report);
  EXPECT_THAT(report.rows[0].notes, ::testing::IsEmpty());
  EXPECT_THAT(report.rows[1].notes, Contains(HasSubstr("only the first and the last")));
  EXPECT_THAT(report.rows[2].notes, Contains(HasSubstr("Not at equal cost")));
  EXPECT_EQ(report.rows[3].failed, 1);
  EXPECT_THAT(report.rows[3].notes,
              ::testing::UnorderedElementsAre(HasSubstr("3 of 4 videos"),
                                              HasSubstr("h264, the uncached ones ffv1"),
                                              HasSubstr("Skips nothing")));
  const auto once = report.rows[3].notes;
  SummarizeReport(&report);
  EXPECT_EQ(report.rows[3].notes, once);
  EXPECT_THAT(ConclusionTexts(report), Contains(HasSubstr("Nothing is skipped at threshold 0.")));
}

TEST(AddRowNotes, SaysWhereSecondsAndSpeedupContradict) {
  Report report = SmallReport(2);
  SummarizeReport(&report);
  EXPECT_THAT(report.rows[1].notes, Each(Not(HasSubstr("seconds alone"))));
  // The machine was three times slower for most uncached runs, but not for those that count.
  for (ReportVideo& video : report.rows[0].videos) video.total_runs = {2, 6, 6};
  for (ReportVideo& video : report.rows[1].videos) video.total_runs = {1, 3, 1};
  SummarizeReport(&report);
  EXPECT_DOUBLE_EQ(report.rows[1].speedup_total.value, 2);
  EXPECT_THAT(report.rows[1].notes, Contains(HasSubstr("Its seconds alone would give 6.00×")));
}

TEST(ParetoFront, HoldsWhatNothingBeats) {
  Report report;
  report.models.emplace_back().name = "m";
  const auto add = [&report](const std::string& id, double speedup, double psnr) {
    ReportRow row = MakeRow(id, "teacache", {});
    row.total.n = 1;
    row.speedup_total.value = speedup;
    row.scores["psnr"].mean = psnr;
    report.rows.push_back(row);
  };
  add("slow", 1.1, 50);
  add("beaten", 1.2, 40);
  add("knee", 1.8, 46);
  add("equal", 1.8, 46);
  add("fast", 2.2, 30);
  const ReportFront front = ParetoFront(report, "m", "psnr");
  EXPECT_THAT(front.rows, ::testing::ElementsAre("slow", "knee", "fast"));
  EXPECT_EQ(front.knee, "knee");
  EXPECT_TRUE(ParetoFront(report, "m", "lpips").rows.empty());
  EXPECT_TRUE(ParetoFront(report, "other", "psnr").rows.empty());
}

TEST(ChooseThresholds, LargestThatKeepsTheWorst) {
  Report report = SmallReport(2);
  ReportRow larger = report.rows[1];
  larger.id = "teacache-0.3";
  larger.threshold = 0.3;
  for (ReportVideo& video : larger.videos) video.scores["psnr"] -= 10;
  report.rows.push_back(larger);
  report.context.floor.value = 35;  // half way between the worst of the two
  SummarizeReport(&report);
  ASSERT_EQ(report.decisions.size(), 1u);
  const ReportDecision& decision = report.decisions[0];
  EXPECT_TRUE(decision.reached);
  EXPECT_EQ(decision.threshold, 0.1);  // the largest that was measured and keeps it
  EXPECT_LE(decision.ci95->lo, 0.1);
  EXPECT_GE(decision.ci95->hi, 0.1);
  EXPECT_EQ(decision.row, "teacache-0.1");
  report.context.floor.value = 60;
  SummarizeReport(&report);
  EXPECT_FALSE(report.decisions[0].reached);
  EXPECT_THAT(report.decisions[0].text, HasSubstr("cannot be reached"));
}

TEST(DrawConclusions, CoefficientSetsAreNamed) {
  const Report report = SyntheticSweep({.everything = true});
  EXPECT_THAT(ConclusionTexts(report),
              Contains(HasSubstr("TeaCache with the fitted coefficients")));
  EXPECT_THAT(ConclusionTexts(report), Contains(StartsWith("The published coefficients")));
  for (const char* baseline : {"uniform skipping", "fixed mask", "MagCache", "fewer steps"}) {
    EXPECT_THAT(ConclusionTexts(report), Contains(HasSubstr(baseline)));
  }
}

}  // namespace
}  // namespace teacache
