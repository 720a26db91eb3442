// sweep-report as a whole, to the page in a browser.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "tests/e2e/programs.h"
#include "tests/support/chromium.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SweepReportTest : public ProgramTest {
 protected:
  // 2 fit prompts, 2 test prompts, uncached + 2 thresholds + 4 baselines of each: 22 videos.
  ProcessResult Sweep(const std::string& out,
                      const ProcessOptions& options = {},
                      const std::vector<std::string>& more = {"--thresholds", "0.2,1"}) const {
    std::vector<std::string> arguments = {
        "--weights",
        Weights(),
        "--steps",
        "20",
        "--out",
        folder_ / out,
        "--fit-prompts",
        WritePrompts("fit.txt", {kShapesPrompts[0], kShapesPrompts[1]}),
        "--prompts",
        WritePrompts("test.txt", {kShapesPrompts[2], kShapesPrompts[3]}),
        "--degree",
        "1",
        "--timed-runs",
        "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool("sweep-report", arguments, options);
  }
  json Report(const std::string& out) const {
    return json::parse(ReadFile(folder_ / (out + "/report.json")));
  }
  static json Row(const json& report, const std::string& id) {
    for (const json& row : report.at("rows")) {
      if (row.at("id") == id) return row;
    }
    ADD_FAILURE() << "no row " << id;
    return {};
  }
  // Entries of the journal of one kind.
  std::vector<json> Entries(const std::string& out, const std::string& kind) const {
    std::vector<json> entries;
    for (const std::string& text : ReadJournal(folder_ / (out + "/sweep.jsonl")).entries) {
      const json entry = json::parse(text);
      if (entry.at("entry") == kind) entries.push_back(entry);
    }
    return entries;
  }
  fs::path Video(const std::string& setting, int prompt = 2) const {
    return fs::path(folder_ / "sweep") / "videos" / setting / (kShapesPrompts[prompt] + "-0.mkv");
  }
};

int Count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<int>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

int CallsComputed(const json& video) {
  const std::string calls = video.at("computed");
  return static_cast<int>(std::count(calls.begin(), calls.end(), '1'));
}

TEST_F(SweepReportTest, WritesAllFilesAndDoesNothingTwice) {
  const ProcessResult first = Sweep("sweep");
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("report.html"));
  for (const char* name : {"report.html",
                           "report.json",
                           "report.csv",
                           "report.md",
                           "trace.jsonl",
                           "test_trace.jsonl",
                           "coeffs.json"}) {
    EXPECT_GT(fs::file_size(folder_ / (std::string("sweep/") + name)), 100u) << name;
  }
  std::vector<std::string> settings;
  for (const auto& entry : fs::directory_iterator(folder_ / "sweep/videos")) {
    settings.push_back(entry.path().filename().string());
    EXPECT_EQ(FilesIn(entry.path().string()).size(), 2u) << settings.back();
    EXPECT_EQ(FilesIn(folder_ / ("sweep/preview/" + settings.back())).size(), 2u);
  }
  EXPECT_THAT(settings,
              ::testing::UnorderedElementsAre("none",
                                              "teacache-0.2",
                                              "teacache-1",
                                              "uniform-as-0.2",
                                              "uniform-as-1",
                                              "mask-as-0.2",
                                              "mask-as-1",
                                              "magcache-as-0.2",
                                              "magcache-as-1",
                                              "steps-as-0.2",
                                              "steps-as-1"));
  EXPECT_EQ(Entries("sweep", "video").size(), 22u);
  EXPECT_EQ(Entries("sweep", "scores").size(), 20u);

  const auto files = FilesIn(folder_ / "sweep");
  const auto video_time = fs::last_write_time(Video("none"));
  const ProcessResult again = Sweep("sweep");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  const auto after = FilesIn(folder_ / "sweep");
  for (const char* name : {"sweep.jsonl", "trace.jsonl", "report.csv", "videos.csv"}) {
    EXPECT_EQ(after.at(name), files.at(name)) << name;
  }
  EXPECT_EQ(fs::last_write_time(Video("none")), video_time);
}

TEST_F(SweepReportTest, EmbedsItsVideosOnRequest) {
  const auto embedded = [this] {
    const std::string html = ReadFile(folder_ / "sweep/report.html");
    int count = 0;
    for (size_t at = 0;
         (at = html.find("class=\"video\" data-path=\"preview/", at + 1)) != html.npos;) {
      ++count;
    }
    return count;
  };
  ASSERT_EQ(Sweep("sweep").exit_code, 0);
  EXPECT_EQ(embedded(), 0);
  ASSERT_EQ(Sweep("sweep", {}, {"--thresholds", "0.2,1", "--embed-videos"}).exit_code, 0);
  EXPECT_EQ(embedded(), 22);
  EXPECT_EQ(Entries("sweep", "video").size(), 22u);  // none was made again
}

// What the report says agrees with itself: calls, pairs of settings, replayed schedules.
TEST_F(SweepReportTest, NumbersAgree) {
  ASSERT_EQ(Sweep("sweep").exit_code, 0);
  const json report = Report("sweep");
  ASSERT_EQ(report.at("rows").size(), 11u);
  for (const char* threshold : {"0.2", "1"}) {
    const json teacache = Row(report, std::string("teacache-") + threshold);
    for (size_t v = 0; v < 2; ++v) {
      const int computed = CallsComputed(teacache["videos"][v]);
      EXPECT_GE(computed, 2);
      for (const char* baseline : {"uniform-as-", "mask-as-", "steps-as-"}) {
        EXPECT_EQ(CallsComputed(Row(report, std::string(baseline) + threshold)["videos"][v]),
                  computed)
            << baseline << threshold;
      }
      // Until the first call is skipped the runs are the same, so the decisions are.
      const std::string live = teacache["videos"][v]["computed"];
      const std::string replayed = teacache["videos"][v]["replayed"];
      ASSERT_EQ(replayed.size(), live.size());
      const size_t same = std::min(live.find('0'), live.size() - 1) + 1;
      EXPECT_EQ(replayed.substr(0, same), live.substr(0, same));
    }
    const json magcache = Row(report, std::string("magcache-as-") + threshold);
    EXPECT_TRUE(std::abs(magcache["computed_mean"].get<double>() -
                         teacache["computed_mean"].get<double>()) <= 0.25 ||
                !magcache["notes"].empty());
  }
  EXPECT_EQ(Row(report, "none")["computed_mean"], 20);
  EXPECT_LE(Row(report, "teacache-1")["computed_mean"],
            Row(report, "teacache-0.2")["computed_mean"]);
  EXPECT_EQ(report["comparisons"].size(), 8u);
  EXPECT_EQ(report["context"]["timed_runs"], 1);
}

// Everybody gets the same numbers from the same files.
TEST_F(SweepReportTest, ScoresAreThoseOfEvalMetrics) {
  for (const bool lossy : {false, true}) {
    const std::string out = lossy ? "lossy" : "lossless";
    std::vector<std::string> more = {"--thresholds", "1", "--baselines", "steps"};
    if (lossy) more.insert(more.end(), {"--lossy", "--crf", "30"});
    ASSERT_EQ(Sweep(out, {}, more).exit_code, 0);
    const json report = Report(out);
    for (const char* id : {"teacache-1", "steps-as-1"}) {
      const std::string results = folder_ / (out + id + ".json");
      const ProcessResult scored = RunTool("eval-metrics",
                                           {"--gt",
                                            folder_ / (out + "/videos/none"),
                                            "--gen",
                                            folder_ / (out + "/videos/" + id),
                                            "--metrics",
                                            "psnr,ssim",
                                            "--out",
                                            results});
      ASSERT_EQ(scored.exit_code, 0) << scored.err;
      const json summary = json::parse(ReadFile(results)).at("summary");
      const json row = Row(report, id);
      for (const char* metric : {"psnr", "ssim"}) {
        EXPECT_EQ(row["scores"][metric]["mean"], summary[metric]["mean"]) << out << id << metric;
        EXPECT_EQ(row["scores"][metric]["median"], summary[metric]["median"])
            << out << id << metric;
        // Where fewer than two videos have a finite value there is no interval.
        const json interval = row["scores"][metric]["ci95"];
        if (interval.is_null()) {
          EXPECT_LT(summary[metric]["n"], 2) << out << id << metric;
          continue;
        }
        EXPECT_EQ(interval["lo"], summary[metric]["ci95"][0]) << out << id << metric;
        EXPECT_EQ(interval["hi"], summary[metric]["ci95"][1]) << out << id << metric;
      }
    }
  }
}

// The replayed schedules are those of fit-coeffs on the traces that lie there.
TEST_F(SweepReportTest, ReplayedSchedulesAreThoseOfFitCoeffs) {
  ASSERT_EQ(Sweep("sweep", {}, {"--thresholds", "0.2", "--baselines", "none"}).exit_code, 0);
  const ProcessResult score = RunTool("fit-coeffs",
                                      {"score",
                                       folder_ / "sweep/test_trace.jsonl",
                                       "--coeffs",
                                       folder_ / "sweep/coeffs.json",
                                       "--threshold",
                                       "0.2",
                                       "--json",
                                       "-"});
  ASSERT_EQ(score.exit_code, 0) << score.err;
  const json runs = json::parse(score.out).at("experts")[0].at("replay").at("runs");
  // fit-coeffs takes runs in the order of their prompts.
  std::map<std::string, std::string> schedules;
  for (const json& run : runs) {
    std::string schedule = run.at("schedule");
    std::replace(schedule.begin(), schedule.end(), 'C', '1');
    std::replace(schedule.begin(), schedule.end(), 'S', '0');
    schedules[run.at("prompt").get<std::string>()] = schedule;
  }
  const json report = Report("sweep");
  const json videos = Row(report, "teacache-0.2").at("videos");
  ASSERT_EQ(runs.size(), videos.size());
  for (const json& video : videos) {
    const std::string prompt = report["context"]["test_prompts"][video.at("prompt").get<size_t>()];
    EXPECT_EQ(video.at("replayed"), schedules.at(prompt)) << prompt;
  }
}

TEST_F(SweepReportTest, AChangedFlagMakesAnewOnlyWhatDependsOnIt) {
  const std::vector<std::string> with = {"--baselines", "uniform", "--thresholds"};
  const auto thresholds = [&with](const std::string& list) {
    std::vector<std::string> more = with;
    more.push_back(list);
    return more;
  };
  ASSERT_EQ(Sweep("sweep", {}, thresholds("0.2,1")).exit_code, 0);
  const auto none = fs::last_write_time(Video("none"));
  const auto kept = fs::last_write_time(Video("teacache-0.2"));
  const auto later = fs::last_write_time(Video("teacache-1"));
  const std::string bytes = ReadFile(Video("teacache-1").string());
  ASSERT_EQ(Sweep("sweep", {}, thresholds("0.2,0.6")).exit_code, 0);
  EXPECT_EQ(Report("sweep").at("rows").size(), 5u);
  EXPECT_EQ(fs::last_write_time(Video("none")), none);
  EXPECT_EQ(fs::last_write_time(Video("teacache-0.2")), kept);
  EXPECT_TRUE(fs::exists(Video("teacache-0.6")));
  EXPECT_FALSE(fs::exists(Video("teacache-1")));  // in kept/ for another time
  // Back again: nothing new is made.
  ASSERT_EQ(Sweep("sweep", {}, thresholds("0.2,1")).exit_code, 0);
  EXPECT_EQ(fs::last_write_time(Video("teacache-1")), later);
  EXPECT_EQ(ReadFile(Video("teacache-1").string()), bytes);
  EXPECT_FALSE(fs::exists(Video("teacache-0.6")));
  // Other coefficients change what TeaCache computes, not the uncached videos.
  std::vector<std::string> other = thresholds("0.2,1");
  other.insert(other.end(), {"--coeffs", "[2, 0]"});
  ASSERT_EQ(Sweep("sweep", {}, other).exit_code, 0);
  EXPECT_EQ(fs::last_write_time(Video("none")), none);
  EXPECT_NE(fs::last_write_time(Video("teacache-1")), later);
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
  const auto entries = [&](const std::string& out, const char* kind, const char* field) {
    std::map<std::string, std::string> result;
    for (const json& entry : Entries(out, kind)) {
      const std::string key = entry.at("key");
      EXPECT_FALSE(result.contains(key)) << key;
      result[key] = entry.at(field).dump();
    }
    return result;
  };
  for (const auto& [kind, field] :
       {std::pair{"video", "calls"}, {"video", "bytes"}, {"scores", "scores"}}) {
    EXPECT_EQ(entries("sweep", kind, field), entries("whole", kind, field));
  }
  EXPECT_EQ(entries("sweep", "video", "calls").size(), 22u);
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
  EXPECT_THAT(plan.out, HasSubstr("6 fit runs, 16 settings, 160 videos, each timed 3 times"));
  // (6 + 10 recorded + 160 x 3) runs of 30 calls
  EXPECT_THAT(plan.out, HasSubstr("at most 14880 transformer calls"));
  EXPECT_THAT(plan.out, HasSubstr("MB of videos"));
  EXPECT_FALSE(fs::exists(folder_ / "sweep"));
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
           {{"--thresholds", "auto:0"}, "1 to 1000"},
           {{"--fit-prompts", same, "--prompts", same}, "nothing in common"},
           {{"--count", "0"}, "test prompt"},
           {{"--baselines", "uniform,luck"}, "'luck'"},
           {{"--timed-runs", "0"}, "at least 1"},
           {{"--coeffs", "published"}, "no coefficients are published"},
           {{"--lpips-weights", folder_ / "nowhere"}, "--lpips-weights"},
           {{"--model", "sora"}, "'sora'"}}) {
    const ProcessResult result = sweep(arguments);
    EXPECT_EQ(result.exit_code, 2) << text;
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
