// The page as a browser shows it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>

#include "datasets/files.h"
#include "reports/figures.h"
#include "reports/html_report.h"
#include "reports/sweep_summary.h"
#include "tests/reports/chromium.h"
#include "tests/reports/synthetic_sweep.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

int Count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<int>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

// The text from `start` to the next `end`.
std::string Between(const std::string& text, const std::string& start, const std::string& end) {
  const size_t from = text.find(start);
  if (from == std::string::npos) return "";
  const size_t to = text.find(end, from);
  return text.substr(from, to == std::string::npos ? to : to - from);
}

// Marks that plotly drew in one chart: points, boxes, bars, lines, error bars and heat maps.
int MarksOf(const std::string& dom, const std::string& figure) {
  const std::string chart = Between(dom, "data-figure=\"" + figure + "\"", "<figcaption>");
  return Count(chart, "class=\"point[ \"]") + Count(chart, "class=\"box\"") +
         Count(chart, "class=\"js-line\"") + Count(chart, "class=\"[xy]error") +
         Count(chart, "<image ");
}

std::string SourceOf(const std::string& dom, const std::string& id) {
  std::smatch match;
  const std::regex regex("<video id=\"" + id + "\"[^>]* src=\"([^\"]*)\"");
  return std::regex_search(dom, match, regex) ? match[1].str() : "";
}

class HtmlPage : public ::testing::Test {
 protected:
  void SetUp() override {
    if (FindChromium().empty()) GTEST_SKIP() << "no chromium in PATH (build.sh installs it)";
  }

  LoadedPage Open(const std::string& hash) { return OpenPage(folder_ / "report.html", hash); }
  void Write(const SweepReport& report) { WriteReportFiles(folder_.path().string(), report); }

  TempDir folder_;
};

TEST_F(HtmlPage, EveryChartHasMarksAndTheConsoleIsSilent) {
  const SweepReport report = SyntheticSweep();
  Write(report);
  WriteSyntheticVideos(report, folder_.path().string());
  const LoadedPage page = Open("threshold=0.1");
  ASSERT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
  EXPECT_THAT(page.messages, IsEmpty());
  for (const Figure& figure : ReportFigures(report)) {
    EXPECT_GT(MarksOf(page.dom, figure.id), 0) << figure.id;
  }
  const int pairs = static_cast<int>(report.fits[0].pairs.size());
  EXPECT_GE(MarksOf(page.dom, "fit"), pairs);
  // Both videos were decoded.
  EXPECT_EQ(Count(page.dom, "<video [^>]*data-loaded=\"yes\""), 2);
}

TEST_F(HtmlPage, PickersChangeTheVideos) {
  Write(SyntheticSweep());
  const std::map<std::string, std::string> expected = {
      {"threshold=0.1&prompt=3", "videos/teacache-0.1/2-0.mp4"},
      {"threshold=0.6&prompt=3&seed=1", "videos/teacache-0.6/2-1.mp4"},
      {"setting=uniform-12&prompt=1", "videos/uniform-12/0-0.mp4"},
  };
  for (const auto& [hash, path] : expected) {
    const LoadedPage page = Open(hash);
    EXPECT_EQ(SourceOf(page.dom, "video-cached"), path) << hash;
    std::string uncached = path;
    uncached.replace(7, path.rfind('/') - 7, "none");
    EXPECT_EQ(SourceOf(page.dom, "video-uncached"), uncached) << hash;
  }
}

TEST_F(HtmlPage, OtherAxisAndDarkTheme) {
  const SweepReport report = SyntheticSweep({.lpips = false, .failed_video = false});
  Write(report);
  const LoadedPage page = Open("x=calls&theme=dark");
  EXPECT_THAT(page.dom, HasSubstr("data-theme=\"dark\""));
  EXPECT_THAT(Between(page.dom, "data-figure=\"quality-psnr\"", "<figcaption>"),
              HasSubstr("computed calls, %"));
}

TEST_F(HtmlPage, OddFileNamesAreFound) {
  SweepReport report = SyntheticSweep({.prompts = 1, .seeds = 1});
  for (SweepRow& row : report.rows) row.videos[0].path = "videos/" + row.id + "/50 % #1? ö-0.mp4";
  Write(report);
  WriteSyntheticVideos(report, folder_.path().string());
  const LoadedPage page = Open("threshold=0.1");
  EXPECT_EQ(SourceOf(page.dom, "video-cached"),
            "videos/teacache-0.1/50%20%25%20%231%3F%20%C3%B6-0.mp4");
  EXPECT_EQ(Count(page.dom, "<video [^>]*data-loaded=\"yes\""), 2);
}

TEST_F(HtmlPage, MissingVideosAreSaid) {
  Write(SyntheticSweep());
  const LoadedPage page = Open("threshold=0.1");
  EXPECT_THAT(Between(page.dom, "id=\"video-note\"", "</p>"), HasSubstr("is not beside this page"));
  EXPECT_GT(MarksOf(page.dom, "quality-psnr"), 0);
}

TEST_F(HtmlPage, EmptyReportOpens) {
  Write({});
  const LoadedPage page = Open("");
  EXPECT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
  EXPECT_THAT(page.messages, IsEmpty());
}

// What real sweeps can hand over: settings without videos, without scores, with videos that are
// gone.
TEST_F(HtmlPage, PartialReportOpens) {
  SweepReport report = SyntheticSweep();
  report.fits.clear();
  for (SweepRow& row : report.rows) {
    if (row.policy == "steps") row.videos.clear();
    for (SweepVideo& video : row.videos) {
      if (row.id == "teacache-0.03") {
        video.psnr.reset();
        video.identical = true;
      }
      if (row.id == "teacache-0.2") video.path.clear();
      if (row.id == "teacache-0.6") video.error = "no frames";
    }
  }
  SummarizeSweep(&report, {.bootstrap_samples = 200});
  Write(report);
  for (const char* hash : {"setting=steps-9", "threshold=0.03", "threshold=0.2", "threshold=0.6"}) {
    const LoadedPage page = Open(hash);
    ASSERT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
    for (const std::string& message : page.messages) {
      EXPECT_THAT(message, testing::Not(HasSubstr("Uncaught"))) << hash;
    }
    for (const Figure& figure : ReportFigures(report)) {
      EXPECT_GT(MarksOf(page.dom, figure.id), 0) << figure.id;
    }
  }
  EXPECT_THAT(Between(Open("threshold=0.2").dom, "id=\"video-note\"", "</p>"),
              HasSubstr("were not kept"));
  EXPECT_THAT(Between(Open("threshold=0.6").dom, "id=\"video-note\"", "</p>"),
              HasSubstr("This video failed: no frames"));
}

TEST_F(HtmlPage, TenThousandVideosOpen) {
  const SweepReport report = SyntheticSweep({.prompts = 46, .seeds = 10});
  size_t videos = 0;
  for (const SweepRow& row : report.rows) videos += row.videos.size();
  ASSERT_GT(videos, 10'000u);
  Write(report);
  const LoadedPage page = OpenPage(folder_ / "report.html", "threshold=0.1&prompt=40", 60);
  EXPECT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
  EXPECT_EQ(SourceOf(page.dom, "video-cached"), "videos/teacache-0.1/39-0.mp4");
}

}  // namespace
}  // namespace teacache
