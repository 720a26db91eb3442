#include "reports/pages/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "reports/data/report_json.h"
#include "reports/findings/labels.h"
#include "reports/kit/html_page.h"
#include "tests/reports/synthetic_sweep.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The page without plotly.js, so that searches see what is ours.
std::string OwnPart(const Report& report) {
  std::string html = HtmlReport(report);
  const std::string plotly = PlotlyText();
  const size_t at = html.find(plotly);
  EXPECT_NE(at, std::string::npos);
  return html.erase(at, plotly.size());
}

std::string ScriptContent(const std::string& html, const std::string& id) {
  const std::string head = "<script type=\"application/json\" id=\"" + id + "\">";
  const size_t start = html.find(head);
  EXPECT_NE(start, std::string::npos) << id;
  const size_t end = html.find("</script>", start);
  return html.substr(start + head.size(), end - start - head.size());
}

TEST(HtmlReport, HoldsTheNumbersOfReportJson) {
  const Report report = SyntheticSweep();
  const auto in_page = nlohmann::json::parse(ScriptContent(OwnPart(report), "report-data"));
  EXPECT_EQ(in_page, nlohmann::json::parse(ReportJson(report)));
}

TEST(HtmlReport, FailuresAndNotesStandInThePageItself) {
  Report report = SyntheticSweep();
  report.rows[2].notes = {"It skips <nothing>."};
  const std::string html = OwnPart(report);
  EXPECT_THAT(html, HasSubstr("seed 1: decoder: no frames</li>"));
  EXPECT_THAT(html, HasSubstr(RowLabel(report.rows[2]) + ": It skips &lt;nothing&gt;.</li>"));
  ReportVideo lost;
  lost.error = "lost";
  report.rows[1].videos.assign(300, lost);
  EXPECT_THAT(OwnPart(report), HasSubstr("<li>and 101 more, in the table of videos</li>"));
}

TEST(HtmlReport, ConclusionsStandInThePageItself) {
  Report report = SyntheticSweep();
  report.conclusions = {{ConclusionKind::kChoice, "shapes", "First of all.", "The reasons."},
                        {ConclusionKind::kFront, "shapes", "", "Then <this>."}};
  report.context.warnings = {"LPIPS was left out"};
  const std::string html = OwnPart(report);
  EXPECT_THAT(html, HasSubstr("<p class=\"verdict\">First of all.</p>"));
  EXPECT_THAT(html, HasSubstr("<li>The reasons.</li>"));
  EXPECT_THAT(html, HasSubstr("<li>Then &lt;this&gt;.</li>"));
  EXPECT_THAT(html, HasSubstr("LPIPS was left out"));
}

// A model's name may hold whatever a headline begins with.
TEST(HtmlReport, EveryModelHasItsHeadline) {
  Report report = SyntheticSweep();
  report.models.push_back(report.models.front());
  report.models.back().name = "a: Threshold ";
  report.conclusions = {{ConclusionKind::kChoice, "shapes", "Choose one.", ""},
                        {ConclusionKind::kSignal, "a: Threshold ", "", "The signal is strong."},
                        {ConclusionKind::kChoice, "a: Threshold ", "Choose two.", ""}};
  const std::string html = OwnPart(report);
  EXPECT_THAT(html, HasSubstr("<p class=\"verdict\">shapes: Choose one.</p>"));
  EXPECT_THAT(html, HasSubstr("<p class=\"verdict\">a: Threshold : Choose two.</p>"));
  EXPECT_THAT(html, HasSubstr("<li>a: Threshold : The signal is strong.</li>"));
}

TEST(HtmlReport, TextsCannotBreakOut) {
  const std::string html = OwnPart(SyntheticSweep());
  EXPECT_THAT(html, Not(HasSubstr("</script><b>")));
  EXPECT_THAT(html, Not(HasSubstr("<b>prompt</b>")));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;b&gt;prompt"));
}

TEST(HtmlReport, LoadsNothingAndIsSmall) {
  const Report report = SyntheticSweep();
  EXPECT_LT(HtmlReport(report).size(), 4'000'000u);
  const std::string html = OwnPart(report);
  const std::regex loads(R"((src|href|url\()\s*=?\s*["']?(https?:)?//)");
  EXPECT_FALSE(std::regex_search(html, loads));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  // The browser may load nothing.
  EXPECT_THAT(html,
              HasSubstr("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
}

TEST(HtmlReport, EmbedsTheVideosThatAreThere) {
  const TempDir folder;
  Report report = SyntheticSweep({.prompts = 1, .seeds = 1});
  const std::string& path = report.rows[1].videos[0].path;
  std::filesystem::create_directories((folder.path() / path).parent_path());
  AtomicWriteFile(folder / path, "bytes of a video");
  WriteReportFiles(folder.path().string(), report, /*embed_videos=*/true);
  const std::string html = ReadFile(folder / "report.html");
  EXPECT_THAT(html,
              HasSubstr("<script type=\"text/plain\" class=\"video\" data-path=\"" + path +
                        "\" data-mime=\"video/mp4\">" + Base64("bytes of a video") + "</script>"));
  EXPECT_THAT(html, Not(HasSubstr("data-path=\"" + report.rows[2].videos[0].path)));
}

TEST(HtmlReport, EmptyReportIsAPage) {
  const std::string html = OwnPart({});
  EXPECT_THAT(html, HasSubstr("<title>Sweep: speed and quality with TeaCache</title>"));
  EXPECT_THAT(html, HasSubstr("</html>"));
}

TEST(WriteReportFiles, WritesAllAndNothingElse) {
  const TempDir folder;
  WriteReportFiles(folder.path().string(), SyntheticSweep());
  EXPECT_THAT(
      ListFolder(folder.path().string()),
      testing::UnorderedElementsAre(
          "report.html", "report.json", "report.csv", "report.md", "report.tex", "videos.csv"));
}

TEST(WriteReportFiles, UnwritableFolder) {
  EXPECT_THROW(WriteReportFiles("/nonexistent/folder", SyntheticSweep()), UserError);
}

}  // namespace
}  // namespace teacache
