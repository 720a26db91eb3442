#include "reports/data/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "datasets/base/error.h"
#include "tests/reports/synthetic_sweep.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  try {
    ParseReportJson(text, "report.json");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ReportJson, ReadsBackWhatItWrites) {
  const Report report = SyntheticSweep({.everything = true});
  const std::string text = ReportJson(report);
  const Report again = ParseReportJson(text, "report.json");
  EXPECT_EQ(ReportJson(again), text);
  // A few members by hand, so that a writer that drops them cannot pass.
  ASSERT_EQ(again.rows.size(), report.rows.size());
  EXPECT_EQ(again.rows[3].videos[2].computed, report.rows[3].videos[2].computed);
  EXPECT_EQ(again.rows[3].scores.at("psnr").ci95->lo, report.rows[3].scores.at("psnr").ci95->lo);
  EXPECT_EQ(again.rows[3].threshold, report.rows[3].threshold);
  EXPECT_EQ(again.fits[0].pairs.size(), report.fits[0].pairs.size());
  EXPECT_EQ(again.context.libraries, report.context.libraries);
  EXPECT_EQ(again.context.test_prompts, report.context.test_prompts);
  EXPECT_EQ(again.comparisons.size(), report.comparisons.size());
  ASSERT_EQ(again.conclusions.size(), report.conclusions.size());
  for (size_t i = 0; i < again.conclusions.size(); ++i) {
    EXPECT_EQ(again.conclusions[i].kind, report.conclusions[i].kind);
    EXPECT_EQ(again.conclusions[i].model, report.conclusions[i].model);
    EXPECT_EQ(again.conclusions[i].headline, report.conclusions[i].headline);
    EXPECT_EQ(again.conclusions[i].text, report.conclusions[i].text);
  }
  EXPECT_EQ(again.context.timed_runs, 3);
  EXPECT_EQ(again.fits[1].source, report.fits[1].source);
  const ReportVideo& video = again.rows[3].videos[2];
  EXPECT_EQ(video.replayed, report.rows[3].videos[2].replayed);
  EXPECT_EQ(video.total_runs, report.rows[3].videos[2].total_runs);
  EXPECT_EQ(video.scored_path, report.rows[3].videos[2].scored_path);
  EXPECT_EQ(video.scores, report.rows[3].videos[2].scores);
  EXPECT_EQ(video.scores.size(), 4u);
  EXPECT_EQ(again.metrics, report.metrics);
  EXPECT_EQ(video.shows[1].right, true);
  EXPECT_EQ(again.rows[3].scores.at("psnr").worst, report.rows[3].scores.at("psnr").worst);
  EXPECT_EQ(again.choices[0].options[1].behind.value, report.choices[0].options[1].behind.value);
  EXPECT_EQ(again.fronts[0].rows, report.fronts[0].rows);
  EXPECT_EQ(again.decisions[0].threshold, report.decisions[0].threshold);
  EXPECT_EQ(again.comparisons[0].verdict, report.comparisons[0].verdict);
}

TEST(ReportJson, FileRoundTrip) {
  const TempDir folder;
  const Report report = SyntheticSweep();
  WriteReportJson(folder / "report.json", report);
  EXPECT_EQ(ReportJson(ReadReportJson(folder / "report.json")), ReportJson(report));
}

TEST(ReportJson, NoNumberIsEverNanOrInfinity) {
  Report report = SyntheticSweep();
  report.context.seconds = std::numeric_limits<double>::quiet_NaN();
  report.rows[1].scores.at("psnr").mean = std::numeric_limits<double>::infinity();
  report.rows[1].total.median = -std::numeric_limits<double>::infinity();
  const std::string text = ReportJson(report);
  EXPECT_THAT(text, HasSubstr("\"seconds\": null"));
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
  EXPECT_FALSE(ParseReportJson(text, "report.json").rows[1].scores.at("psnr").mean.has_value());
}

TEST(ReportJson, BytesThatAreNoTextAreReplaced) {
  Report report;
  report.context.machine = "caf\xe9";
  EXPECT_THAT(ReportJson(report), HasSubstr("caf\xEF\xBF\xBD"));
}

TEST(ParseReportJson, NamesTheKeyOfAWrongValue) {
  const std::string head = R"({"format": "teacache-sweep", "version": 1, )";
  EXPECT_EQ(ErrorOf(head + R"("rows": [{}, {"psnr": {"mean": "high"}}]})"),
            "report.json: rows[1].scores.psnr.mean must be a number but is string");
  EXPECT_EQ(ErrorOf(head + R"("context": {"threads": 1.5}})"),
            "report.json: context.threads must be a whole number but is number");
  EXPECT_EQ(ErrorOf(head + R"("rows": {}})"), "report.json: rows must be an array but is object");
  EXPECT_EQ(
      ErrorOf(head + R"("rows": [{"videos": [{"computed": "10x"}]}]})"),
      "report.json: rows[0].videos[0].computed must be a string of 0 and 1 only but is string");
}

TEST(ParseReportJson, RefusesOtherFiles) {
  EXPECT_THAT(ErrorOf("{\"format\": "), HasSubstr("must be JSON"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("teacache-sweep"));
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("teacache-sweep"));
  EXPECT_THAT(ErrorOf(R"({"format": 3})"), HasSubstr("teacache-sweep"));
  EXPECT_THAT(ErrorOf(R"({"format": "teacache-sweep"})"), HasSubstr("version"));
  EXPECT_THAT(ErrorOf(R"({"format": "teacache-sweep", "version": 99})"), HasSubstr("newer tool"));
}

// As version 0.1.0 wrote them.
TEST(ParseReportJson, ConclusionsMayBeSentencesAlone) {
  const Report report = ParseReportJson(
      R"({"format": "teacache-sweep", "version": 1, "conclusions": ["Threshold 0.1 is it."]})",
      "report.json");
  ASSERT_EQ(report.conclusions.size(), 1u);
  EXPECT_EQ(report.conclusions[0].kind, ConclusionKind::kOther);
  EXPECT_EQ(report.conclusions[0].text, "Threshold 0.1 is it.");
  EXPECT_EQ(ErrorOf(R"({"format": "teacache-sweep", "version": 1, "conclusions": [3]})"),
            "report.json: conclusions[0] must be an object but is number");
}

// A report of 0.1.0: PSNR, SSIM and LPIPS as members of their own, without descriptions.
TEST(ParseReportJson, ReadsVersion1) {
  const Report report = ParseReportJson(R"({"format": "teacache-sweep", "version": 1,
      "metrics": [{"name": "flicker", "label": "flicker", "unit": "", "higher_is_better": false,
                   "needs_reference": false, "definition": "made up"}],
      "rows": [{"id": "none", "psnr": null, "ssim": null, "lpips": null, "extra": []},
               {"id": "a", "psnr": {"mean": 30.5, "n": 2}, "ssim": null, "lpips": {"mean": 0.25},
                "extra": [{"name": "flicker", "pooled": {"mean": 0.5}}],
                "videos": [{"psnr": 31, "ssim": null, "lpips": 0.2,
                            "extra": [{"name": "flicker", "value": 0.75}]}]}],
      "comparisons": [{"a": "a", "b": "b", "verdict": 1, "psnr": {"mean": 2, "n": 3}, "ssim": null,
                       "lpips": null}]})",
                                        "report.json");
  ASSERT_EQ(report.rows.size(), 2u);
  EXPECT_TRUE(report.rows[0].scores.empty());
  EXPECT_EQ(report.rows[1].scores.at("psnr").mean, 30.5);
  EXPECT_FALSE(report.rows[1].scores.contains("ssim"));
  EXPECT_EQ(report.rows[1].scores.at("flicker").mean, 0.5);
  EXPECT_EQ(report.rows[1].videos[0].scores,
            (std::map<std::string, double>{{"psnr", 31}, {"lpips", 0.2}, {"flicker", 0.75}}));
  EXPECT_EQ(report.comparisons[0].differences.at("psnr").n, 3);
  EXPECT_EQ(report.comparisons[0].differences.size(), 1u);
  ASSERT_EQ(report.metrics.size(), 3u);
  EXPECT_EQ(report.metrics[0], UndescribedMetric("psnr"));
  EXPECT_EQ(report.metrics[1], UndescribedMetric("lpips"));
  EXPECT_EQ(report.metrics[2].definition, "made up");
  EXPECT_FALSE(report.metrics[2].needs_reference);
}

TEST(ParseReportJson, UnknownKeysArePassedOver) {
  const Report report = ParseReportJson(
      R"({"format": "teacache-sweep", "version": 1, "rows": [{"id": "a", "later": {"x": 1}}]})",
      "report.json");
  ASSERT_EQ(report.rows.size(), 1u);
  EXPECT_EQ(report.rows[0].id, "a");
  EXPECT_FALSE(report.rows[0].threshold.has_value());
}

}  // namespace
}  // namespace teacache
