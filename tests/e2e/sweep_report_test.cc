// sweep-report as a whole, to the page in a browser.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

#include "datasets/files.h"
#include "datasets/journal.h"
#include "tests/e2e/programs.h"
#include "tests/reports/chromium.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SweepReportTest : public ProgramTest {
 protected:
  // 2 fit prompts, 2 test prompts, uncached + 2 thresholds + 2 uniform: 10 videos.
  ProcessResult Sweep(const std::string& out, const ProcessOptions& options = {}) const {
    return RunTool("sweep-report",
                   {"--weights",
                    Weights(),
                    "--steps",
                    "20",
                    "--out",
                    folder_ / out,
                    "--fit-prompts",
                    WritePrompts("fit.txt", {kShapesPrompts[0], kShapesPrompts[1]}),
                    "--prompts",
                    WritePrompts("test.txt", {kShapesPrompts[2], kShapesPrompts[3]}),
                    "--thresholds",
                    "0.2,1",
                    "--degree",
                    "1"},
                   options);
  }
  json Report(const std::string& out) const {
    return json::parse(ReadFile(folder_ / (out + "/report.json")));
  }
};

int Count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<int>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

TEST_F(SweepReportTest, WritesAllFilesAndDoesNothingTwice) {
  const ProcessResult first = Sweep("sweep");
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("report.html"));
  for (const char* name :
       {"report.html", "report.json", "report.csv", "report.md", "trace.jsonl", "coeffs.json"}) {
    EXPECT_GT(fs::file_size(folder_ / (std::string("sweep/") + name)), 100u) << name;
  }
  std::vector<std::string> settings;
  for (const auto& entry : fs::directory_iterator(folder_ / "sweep/videos")) {
    settings.push_back(entry.path().filename().string());
    EXPECT_EQ(FilesIn(entry.path().string()).size(), 2u) << settings.back();
  }
  EXPECT_THAT(settings,
              ::testing::UnorderedElementsAre(
                  "none", "teacache-0.2", "teacache-1", "uniform-as-0.2", "uniform-as-1"));
  EXPECT_EQ(ReadJournal(folder_ / "sweep/sweep.jsonl").entries.size(), 10u);

  const auto files = FilesIn(folder_ / "sweep");
  const auto video_time =
      fs::last_write_time(folder_ / ("sweep/videos/none/" + kShapesPrompts[2] + "-0.mp4"));
  const ProcessResult again = Sweep("sweep");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  const auto after = FilesIn(folder_ / "sweep");
  for (const char* name : {"sweep.jsonl", "trace.jsonl", "report.csv"}) {
    EXPECT_EQ(after.at(name), files.at(name)) << name;
  }
  EXPECT_EQ(fs::last_write_time(folder_ / ("sweep/videos/none/" + kShapesPrompts[2] + "-0.mp4")),
            video_time);
}

// What the report says agrees with itself: calls, identical videos, pairs of settings.
TEST_F(SweepReportTest, NumbersAgree) {
  ASSERT_EQ(Sweep("sweep").exit_code, 0);
  const json report = Report("sweep");
  EXPECT_EQ(report.at("rows").size(), 5u) << report.dump(1).substr(0, 2000);
  std::map<std::string, std::vector<int>> computed;
  for (const json& entry : ReadJournal(folder_ / "sweep/sweep.jsonl").entries) {
    const std::string calls = entry.at("calls");
    EXPECT_EQ(calls.size(), 20u);
    EXPECT_EQ(calls.front(), 'C');
    EXPECT_EQ(calls.back(), 'C');
    computed[entry.at("setting")].push_back(
        static_cast<int>(std::count(calls.begin(), calls.end(), 'C')));
  }
  EXPECT_EQ(computed.at("none"), (std::vector<int>{20, 20}));
  EXPECT_EQ(computed.at("uniform-as-0.2"), computed.at("teacache-0.2"));
  EXPECT_EQ(computed.at("uniform-as-1"), computed.at("teacache-1"));
  EXPECT_LE(computed.at("teacache-1")[0], computed.at("teacache-0.2")[0]);
  EXPECT_LT(computed.at("teacache-1")[0], 20);
}

TEST_F(SweepReportTest, InterruptedSweepsGoOn) {
  ProcessOptions options;
  options.signal_when = [&] {
    std::ifstream journal(folder_ / "sweep/sweep.jsonl");
    int lines = 0;
    for (std::string line; std::getline(journal, line);) ++lines;
    return lines >= 4 ? SIGINT : 0;
  };
  const ProcessResult stopped = Sweep("sweep", options);
  ASSERT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("interrupted"));
  EXPECT_FALSE(fs::exists(folder_ / "sweep/report.html"));
  ASSERT_EQ(Sweep("sweep").exit_code, 0);
  ASSERT_EQ(Sweep("whole").exit_code, 0);
  const auto scores = [&](const std::string& out) {
    std::map<std::string, std::string> result;
    for (const json& entry : ReadJournal(folder_ / (out + "/sweep.jsonl")).entries) {
      const std::string key = entry.at("setting").get<std::string>() + " " +
                              entry.at("prompt").dump() + " " + entry.at("seed").dump();
      EXPECT_FALSE(result.contains(key)) << key;
      result[key] = entry.at("calls").dump() + entry.at("psnr").dump() + entry.at("ssim").dump() +
                    entry.at("bytes").dump();
    }
    return result;
  };
  EXPECT_EQ(scores("sweep"), scores("whole"));
  EXPECT_EQ(scores("sweep").size(), 10u);
}

TEST_F(SweepReportTest, PlansWithoutWork) {
  const ProcessResult plan = RunTool("sweep-report",
                                     {"--weights",
                                      Weights(),
                                      "--out",
                                      folder_ / "sweep",
                                      "--fit-count",
                                      "3",
                                      "--count",
                                      "5",
                                      "--seeds",
                                      "0-1",
                                      "--thresholds",
                                      "0.1,0.2,0.3",
                                      "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("6 fit runs, 7 settings, 70 videos"));
  EXPECT_FALSE(fs::exists(folder_ / "sweep/sweep.jsonl"));
}

TEST_F(SweepReportTest, MistakesBeforeAnyWork) {
  const auto sweep = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"--weights", Weights(), "--out", folder_ / "sweep"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool("sweep-report", arguments);
  };
  const std::string same = WritePrompts("same.txt", {kShapesPrompts[0]});
  for (const auto& [arguments, text] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--thresholds", "0.1,0.1"}, "0.1 occurs twice"},
           {{"--thresholds", "0.1,abc"}, "abc"},
           {{"--fit-prompts", same, "--prompts", same}, "nothing in common"},
           {{"--count", "0"}, "test prompt"},
           {{"--model", "sora"}, "'sora'"}}) {
    const ProcessResult result = sweep(arguments);
    EXPECT_EQ(result.exit_code, 2) << text;
    // A note that LPIPS is left out may come first.
    EXPECT_LE(result.ErrLines().size(), 2u) << result.err;
    ASSERT_FALSE(result.ErrLines().empty());
    EXPECT_THAT(result.ErrLines().back(), HasSubstr(text));
  }
}

TEST_F(SweepReportTest, ThePageOpensInABrowser) {
  if (FindChromium().empty()) GTEST_SKIP() << "no chromium in PATH (build.sh installs it)";
  ASSERT_EQ(Sweep("sweep").exit_code, 0);
  const LoadedPage page = OpenPage(folder_ / "sweep/report.html", "threshold=1");
  ASSERT_THAT(page.dom, HasSubstr("data-ready=\"yes\"")) << page.log;
  EXPECT_THAT(page.messages, IsEmpty());
  const std::regex figures("data-figure=\"([^\"]*)\"");
  int charts = 0;
  for (auto it = std::sregex_iterator(page.dom.begin(), page.dom.end(), figures);
       it != std::sregex_iterator();
       ++it) {
    const size_t from = static_cast<size_t>(it->position());
    const size_t to = page.dom.find("<figcaption>", from);
    const std::string chart = page.dom.substr(from, to - from);
    // Points, boxes, bars, lines, error bars, heat maps.
    const int marks = Count(chart, "class=\"point[ \"]") + Count(chart, "class=\"box\"") +
                      Count(chart, "class=\"js-line\"") + Count(chart, "class=\"[xy]error") +
                      Count(chart, "<image ");
    EXPECT_GT(marks, 0) << (*it)[1];
    ++charts;
  }
  EXPECT_GE(charts, 5);
  // The uncached and the cached video were found and decoded.
  EXPECT_EQ(Count(page.dom, "<video [^>]*data-loaded=\"yes\""), 2);
}

}  // namespace
}  // namespace teacache
