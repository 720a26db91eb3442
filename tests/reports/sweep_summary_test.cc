#include "reports/sweep_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "datasets/error.h"
#include "reports/conclusions.h"
#include "reports/labels.h"
#include "reports/report_json.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

SweepVideo MakeVideo(int prompt, double psnr, double seconds, std::vector<bool> computed) {
  SweepVideo video;
  video.prompt = prompt;
  video.psnr = psnr;
  video.ssim = psnr / 100;
  video.computed = std::move(computed);
  video.transformer_seconds = seconds - 0.1;
  video.decode_seconds = 0.1;
  video.total_seconds = seconds;
  return video;
}

SweepRow MakeRow(const std::string& id, const std::string& policy, std::vector<SweepVideo> videos) {
  SweepRow row;
  row.id = id;
  row.model = "m";
  row.policy = policy;
  row.calls = 4;
  row.videos = std::move(videos);
  return row;
}

// Four prompts; TeaCache at 40, 41, 42, 43 dB and uniform skipping `lead` dB below.
SweepReport SmallReport(double lead) {
  SweepReport report;
  report.models.emplace_back().name = "m";
  report.context.fit_prompts = {"w"};
  report.context.test_prompts = {"a", "b", "c", "d"};
  report.context.seeds = {0};
  SweepRow uncached = MakeRow("none", "none", {});
  SweepRow cached = MakeRow("teacache-0.1", "teacache", {});
  cached.threshold = 0.1;
  SweepRow uniform = MakeRow("uniform-2", "uniform", {});
  uniform.computed_target = 2;
  uniform.matches = cached.id;
  for (int i = 0; i < 4; ++i) {
    const double wobble = 0.1 * (i % 2);
    uncached.videos.push_back(MakeVideo(i, 0, 2.0, {1, 1, 1, 1}));
    cached.videos.push_back(MakeVideo(i, 40 + i, 1.0, {1, 0, 0, 1}));
    uniform.videos.push_back(MakeVideo(i, 40 + i - lead + wobble, 1.0, {1, 0, 1, 1}));
  }
  report.rows = {uncached, cached, uniform};
  return report;
}

TEST(SummarizeSweep, FillsRowsFromTheirVideos) {
  SweepReport report = SmallReport(2);
  SummarizeSweep(&report);
  const SweepRow& row = report.rows[1];
  EXPECT_DOUBLE_EQ(row.computed_mean, 2);
  EXPECT_EQ(row.longest_skip, 2);
  EXPECT_EQ(report.rows[2].longest_skip, 1);
  EXPECT_DOUBLE_EQ(*row.psnr->mean, 41.5);
  EXPECT_DOUBLE_EQ(*row.psnr->median, 41.5);
  EXPECT_DOUBLE_EQ(*row.psnr->p5, 40.15);
  EXPECT_EQ(row.psnr->n, 4);
  EXPECT_LT(row.psnr->ci95->lo, 41.5);
  EXPECT_GT(row.psnr->ci95->hi, 41.5);
  EXPECT_FALSE(row.lpips.has_value());
  EXPECT_DOUBLE_EQ(row.speedup_total.value, 2);
  EXPECT_NEAR(row.speedup_transformer.value, 1.9 / 0.9, 1e-12);
  EXPECT_DOUBLE_EQ(row.speedup_total.ci95->lo, 2);
  EXPECT_DOUBLE_EQ(row.total.median, 1);
  EXPECT_EQ(row.total.n, 4);
  EXPECT_FALSE(report.rows[0].psnr.has_value());
}

TEST(SummarizeSweep, PairsByPromptAndSeed) {
  SweepReport report = SmallReport(2);
  std::ranges::reverse(report.rows[2].videos);
  SummarizeSweep(&report);
  ASSERT_EQ(report.comparisons.size(), 1u);
  const SweepComparison& comparison = report.comparisons[0];
  EXPECT_EQ(comparison.a, "teacache-0.1");
  EXPECT_EQ(comparison.b, "uniform-2");
  EXPECT_NEAR(comparison.psnr->mean, 1.95, 1e-12);
  EXPECT_EQ(comparison.psnr->n, 4);
  EXPECT_FALSE(comparison.lpips.has_value());
  EXPECT_EQ(Verdict(comparison), 1);
}

TEST(SummarizeSweep, FailedVideosCountNowhere) {
  SweepReport report = SmallReport(2);
  SweepVideo& failed = report.rows[1].videos[3];
  failed.error = "cut";
  failed.total_seconds = 100;
  SummarizeSweep(&report);
  EXPECT_DOUBLE_EQ(*report.rows[1].psnr->mean, 41);
  EXPECT_EQ(report.rows[1].psnr->n, 3);
  EXPECT_EQ(report.rows[1].total.n, 3);
  EXPECT_EQ(report.comparisons[0].psnr->n, 3);
  EXPECT_THAT(report.conclusions, Contains(StartsWith("1 of 12 videos failed")));
}

TEST(SummarizeSweep, IdenticalVideosAreCountedNotAveraged) {
  SweepReport report = SmallReport(2);
  report.rows[1].videos[0].psnr.reset();
  report.rows[1].videos[0].identical = true;
  SummarizeSweep(&report);
  EXPECT_EQ(report.rows[1].psnr->identical, 1);
  EXPECT_EQ(report.rows[1].psnr->n, 3);
  EXPECT_DOUBLE_EQ(*report.rows[1].psnr->mean, 42);
}

TEST(SummarizeSweep, SameInputSameDigits) {
  SweepReport once = SyntheticSweep();
  SummarizeSweep(&once);
  SweepReport twice = once;
  SummarizeSweep(&twice);
  EXPECT_EQ(ReportJson(once), ReportJson(twice));
}

TEST(SummarizeSweep, RefusesReportsThatContradictThemselves) {
  SweepReport report = SmallReport(2);
  report.rows[2].id = "none";
  EXPECT_THROW(SummarizeSweep(&report), UserError);
  report = SmallReport(2);
  report.rows[2].matches = "teacache-9";
  EXPECT_THROW(SummarizeSweep(&report), UserError);
  report = SmallReport(2);
  report.rows[2].videos[0].prompt = 4;
  EXPECT_THROW(SummarizeSweep(&report), UserError);
  report = SmallReport(2);
  report.rows[2].videos[0].ssim = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(SummarizeSweep(&report), UserError);
}

TEST(Verdict, DecidesOnlyBeyondTheInterval) {
  SweepComparison comparison;
  EXPECT_EQ(Verdict(comparison), 0);
  comparison.ssim = SweepDifference{-0.1, {-0.2, -0.05}, 5};
  EXPECT_EQ(Verdict(comparison), -1);
  comparison.psnr = SweepDifference{1, {-0.1, 2}, 5};
  EXPECT_EQ(Verdict(comparison), 0);
  comparison.psnr = SweepDifference{1, {0.1, 2}, 5};
  EXPECT_EQ(Verdict(comparison), 1);
}

TEST(DrawConclusions, SaysWhoWins) {
  SweepReport report = SmallReport(2);
  SummarizeSweep(&report);
  EXPECT_THAT(report.conclusions[0],
              AllOf(StartsWith("Threshold 0.1 is the largest"),
                    HasSubstr("Uniform skipping at as many calls is worse there")));
  EXPECT_THAT(report.conclusions,
              Contains(HasSubstr("TeaCache beats uniform skipping at threshold 0.1 (+1.9 dB).")));
}

TEST(DrawConclusions, SaysWhereUniformSkippingIsAsGoodOrBetter) {
  SweepReport report = SmallReport(-2);
  SummarizeSweep(&report);
  EXPECT_THAT(report.conclusions[0], HasSubstr("is better there"));
  EXPECT_THAT(report.conclusions,
              Contains(AllOf(HasSubstr("is worse than uniform skipping at threshold 0.1"),
                             HasSubstr("never beats it"))));
  report = SmallReport(0.05);
  SummarizeSweep(&report);
  EXPECT_THAT(report.conclusions[0], HasSubstr("cannot be told from it there"));
  EXPECT_THAT(report.conclusions, Contains(HasSubstr("cannot be told from uniform skipping")));
  EXPECT_THAT(report.conclusions, Each(Not(HasSubstr("TeaCache beats"))));
}

TEST(DrawConclusions, NoThresholdGoodEnough) {
  SweepReport report = SmallReport(2);
  SummarizeSweep(&report, {.conclusions = {.psnr_floor = 60}});
  EXPECT_THAT(report.conclusions[0], StartsWith("No threshold of this sweep keeps"));
}

TEST(DrawConclusions, SharedPromptsAreCalledOut) {
  SweepReport report = SmallReport(2);
  SummarizeSweep(&report);
  EXPECT_THAT(report.conclusions, Contains("Fitted on 1 prompt, scored on 4 others."));
  report.context.fit_prompts = {"x", "c"};
  SummarizeSweep(&report);
  EXPECT_THAT(report.conclusions, Contains(StartsWith("Caution: 1 of 4 test prompts")));
}

TEST(DrawConclusions, WeakSignalIsCalledWeak) {
  SweepReport report = SmallReport(2);
  SweepFit fit;
  fit.model = "m";
  fit.coefficients = {1, 0};
  fit.r2 = 0.2;
  report.fits = {fit};
  SummarizeSweep(&report);
  EXPECT_THAT(report.conclusions, Contains(HasSubstr("is weak")));
}

TEST(DrawConclusions, EmptyReport) {
  SweepReport report;
  SummarizeSweep(&report);
  EXPECT_TRUE(report.conclusions.empty());
}

TEST(RecommendedRow, LargestThresholdAboveTheFloor) {
  const SweepReport report = SyntheticSweep();
  const SweepRow* row = RecommendedRow(report, "shapes", {.psnr_floor = 38});
  ASSERT_NE(row, nullptr);
  EXPECT_GE(*row->psnr->p5, 38);
  for (const SweepRow& other : report.rows) {
    if (other.policy == "teacache" && *other.threshold > *row->threshold) {
      EXPECT_LT(*other.psnr->p5, 38);
    }
  }
  EXPECT_EQ(RecommendedRow(report, "other"), nullptr);
}

}  // namespace
}  // namespace teacache
