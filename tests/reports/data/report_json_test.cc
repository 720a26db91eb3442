#include "reports/data/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "datasets/base/error.h"
#include "tests/reports/synthetic_sweep.h"
#include "tests/support/paths.h"
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
  Report report = SyntheticSweep({.everything = true});
  report.fits[0].left_out = {{"gap", 3}};
  report.context.require = {"psnr>=28"};
  report.requirements.emplace_back().value = 26.5;
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
  EXPECT_EQ(again.fits[0].left_out, report.fits[0].left_out);
  EXPECT_EQ(again.context.require, report.context.require);
  ASSERT_EQ(again.requirements.size(), 1u);
  EXPECT_EQ(again.requirements[0].value, 26.5);
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
            "report.json:1:75: rows[1].psnr.mean: must be a finite number but is \"high\"");
  EXPECT_THAT(ErrorOf(head + R"("context": {"threads": 1.5}})"),
              HasSubstr("context.threads: must be an integer but is 1.5"));
  EXPECT_THAT(ErrorOf(head + R"("rows": {}})"), HasSubstr("rows: must be a list but is {}"));
  EXPECT_THAT(ErrorOf(head + R"("rows": [{"videos": [{"computed": "10x"}]}]})"),
              HasSubstr("rows[0].videos[0].computed: must be a text of 1 and 0 but is \"10x\""));
  EXPECT_THAT(ErrorOf(head + R"("rows": [{"id": "a", "later": {"x": 1}}]})"),
              HasSubstr("rows[0].later: fields must be known ones but one is \"later\""));
}

TEST(ParseReportJson, RefusesOtherFiles) {
  EXPECT_THAT(ErrorOf("{\"format\": "), HasSubstr("must be valid JSON"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("teacache-sweep"));
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("must be an object"));
  EXPECT_THAT(ErrorOf(R"({"format": 3})"), HasSubstr("teacache-sweep"));
  EXPECT_THAT(ErrorOf(R"({"format": "teacache-sweep"})"), HasSubstr("version"));
  EXPECT_THAT(ErrorOf(R"({"format": "teacache-sweep", "version": 99})"), HasSubstr("a newer"));
}

// As version 0.1.0 wrote them.
TEST(ParseReportJson, ConclusionsMayBeSentencesAlone) {
  const Report report = ParseReportJson(
      R"({"format": "teacache-sweep", "version": 1, "conclusions": ["Threshold 0.1 is it."]})",
      "report.json");
  ASSERT_EQ(report.conclusions.size(), 1u);
  EXPECT_EQ(report.conclusions[0].kind, ConclusionKind::kOther);
  EXPECT_EQ(report.conclusions[0].text, "Threshold 0.1 is it.");
  EXPECT_THAT(ErrorOf(R"({"format": "teacache-sweep", "version": 1, "conclusions": [3]})"),
              HasSubstr("conclusions[0]: must be an object but is 3"));
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

// A whole report of 0.1.0 (tests/golden/compat).
TEST(ParseReportJson, ReadsTheSampleOfVersion1) {
  const Report report = ReadReportJson(SourceDir() + "/tests/golden/compat/report.json");
  ASSERT_EQ(report.rows.size(), 3u);
  EXPECT_EQ(report.context.test_prompts[0], "a \"caf\xC3\xA9\" at night");
  EXPECT_EQ(report.context.libraries[1].first, "plotly.js");
  EXPECT_EQ(report.fits[0].pairs[0].y, 1.0 / 3);
  const ReportRow& row = report.rows[1];
  EXPECT_EQ(row.scores.at("psnr").ci95->hi, 33);
  EXPECT_EQ(row.scores.at("temporal_flickering").mean, 0.97);
  EXPECT_FALSE(row.scores.contains("lpips"));
  EXPECT_EQ(row.videos[0].scores.at("ssim"), 0.9375);
  EXPECT_EQ(row.videos[0].computed, (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(report.rows[2].videos[0].error, "decoder: no frames");
  EXPECT_EQ(report.comparisons[0].differences.at("psnr").ci95.lo, 0.25);
  EXPECT_EQ(report.decisions[0].threshold, 0.1);
  EXPECT_EQ(report.conclusions[1].text, "The coefficients describe the signal.");
  EXPECT_EQ(ReportJson(ParseReportJson(ReportJson(report), "again")), ReportJson(report));
}

}  // namespace
}  // namespace teacache
