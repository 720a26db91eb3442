#include "reports/render/render.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "metrics/pairs/evaluate.h"
#include "reports/data/report_json.h"
#include "reports/findings/diff.h"
#include "reports/findings/join.h"
#include "reports/findings/labels.h"
#include "reports/render/foreign_runs.h"
#include "tests/reports/synthetic_sweep.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Video Clip(int brightness, int size = 32, int frames = 3) {
  Video video;
  video.fps = 8;
  for (int t = 0; t < frames; ++t) {
    Frame frame{size, size, {}};
    for (int i = 0; i < 3 * size * size; ++i) {
      frame.rgb.push_back(static_cast<uint8_t>((i * 7 + t * 13 + brightness) % 256));
    }
    video.frames.push_back(std::move(frame));
  }
  return video;
}

class RenderTest : public ::testing::Test {
 protected:
  // Uncached, TeaCache and uniform skipping as any engine might leave them: lossless files and a
  // table of seconds.
  void WriteRuns(const std::string& root) {
    int darker = 0;
    for (const char* setting : {"uncached", "teacache-0.1", "uniform-10"}) {
      std::string timing = "video,seconds,computed_calls\n";
      for (int i = 0; i < 3; ++i) {
        const std::string name = "a, \"quoted\" prompt " + std::to_string(i) + "-0";
        Write(root + "/" + setting + "/" + name + ".mkv", Clip(i + darker * (i + 1)));
        for (const double factor : {1.0, 1.1, 0.9}) {
          timing += "\"a, \"\"quoted\"\" prompt " + std::to_string(i) + "-0.mkv\"," +
                    std::to_string(factor * (darker == 0 ? 2.0 : 1.0)) + "," +
                    (darker == 0 ? "30" : "10") + "\n";
        }
      }
      AtomicWriteFile(folder_ / (root + "/" + setting + "/timing.csv"), timing);
      darker += 2;
    }
  }
  void Write(const std::string& path, const Video& video) {
    MakeFolders(fs::path(folder_ / path).parent_path().string());
    VideoWriterOptions writer;
    if (path.ends_with(".mkv")) writer.codec = VideoWriterOptions::Codec::kFfv1;
    WriteVideo(folder_ / path, video, writer);
  }
  RenderOutcome Render(std::vector<std::string> folders, double psnr_floor = 30) {
    RenderOptions options;
    options.floor.value = psnr_floor;
    for (const std::string& name : folders) options.folders.push_back(folder_ / name);
    options.out = folder_ / "report";
    return RenderReport(options);
  }
  std::string ErrorOf(const std::string& name) {
    try {
      Render({name});
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }

  TempDir folder_;
};

const ReportRow& Row(const Report& report, const std::string& id) {
  const auto found = std::ranges::find(report.rows, id, &ReportRow::id);
  if (found == report.rows.end()) throw std::runtime_error("no row " + id);
  return *found;
}

// Speed-ups and calls that nobody told are not made up.
TEST_F(RenderTest, WithoutTimesSpeedIsNotKnown) {
  WriteRuns("runs");
  for (const char* setting : {"uncached", "teacache-0.1", "uniform-10"}) {
    fs::remove(folder_ / ("runs/" + std::string(setting) + "/timing.csv"));
  }
  const RenderOutcome outcome = Render({"runs"}, 1);
  const Report& report = outcome.report;
  for (const ReportRow& row : report.rows) EXPECT_EQ(row.speedup_total.value, 0) << row.id;
  EXPECT_THAT(report.fronts, IsEmpty());
  EXPECT_THAT(report.context.warnings, Contains(HasSubstr("No timing file")));
  EXPECT_THAT(ConclusionTexts(report),
              Contains(AllOf(HasSubstr("not known for want of times"),
                             HasSubstr("how many calls were computed is not known"))));
  EXPECT_THAT(ReadFile(folder_ / "report/report.md"),
              HasSubstr("| TeaCache 0.1 | 3 | n/a | n/a | n/a | n/a |"));
  const std::string page = ReadFile(outcome.page);
  EXPECT_THAT(page, HasSubstr("No curves"));
  EXPECT_THAT(page, Not(HasSubstr("Which calls are computed")));
}

// Seconds alone are enough for the curves against speed.
TEST_F(RenderTest, SecondsWithoutCalls) {
  WriteRuns("runs");
  for (const char* setting : {"uncached", "teacache-0.1", "uniform-10"}) {
    const std::string path = folder_ / ("runs/" + std::string(setting) + "/timing.csv");
    std::string timing = "video,seconds\n";
    for (int i = 0; i < 3; ++i) {
      timing += fmt::format("\"a, \"\"quoted\"\" prompt {}-0.mkv\",{}\n",
                            i,
                            std::string(setting) == "uncached" ? 3 : 2);
    }
    AtomicWriteFile(path, timing);
  }
  const RenderOutcome outcome = Render({"runs"});
  EXPECT_DOUBLE_EQ(Row(outcome.report, "teacache-0.1").speedup_total.value, 1.5);
  const std::string page = ReadFile(outcome.page);
  EXPECT_THAT(page, HasSubstr("data-x=\"speed\""));
  EXPECT_THAT(page, Not(HasSubstr("data-x=\"calls\"")));
}

TEST_F(RenderTest, FoldersOfAnyEngine) {
  WriteRuns("runs");
  const RenderOutcome outcome = Render({"runs"});
  EXPECT_EQ(outcome.failed, 0);
  const Report& report = outcome.report;
  EXPECT_THAT(report.context.warnings, Not(Contains(HasSubstr("lossy"))));
  ASSERT_EQ(report.rows.size(), 3u);
  EXPECT_EQ(report.rows[0].policy, "none");
  const ReportRow& cached = Row(report, "teacache-0.1");
  EXPECT_EQ(cached.threshold, 0.1);
  EXPECT_EQ(cached.codec, "ffv1");
  EXPECT_DOUBLE_EQ(cached.total.median, 1.0);
  EXPECT_EQ(cached.total.n, 9);
  EXPECT_DOUBLE_EQ(cached.speedup_total.value, 2);
  EXPECT_EQ(cached.calls, 30);  // the uncached run's, which computes all of them
  EXPECT_EQ(report.context.test_prompts[1], "a, \"quoted\" prompt 1");
  EXPECT_EQ(Row(report, "uniform-10").matches, "teacache-0.1");
  EXPECT_EQ(report.comparisons.size(), 1u);
  // The numbers of eval-metrics on the same folders.
  EvaluateOptions evaluate;
  evaluate.gt = folder_ / "runs/uncached";
  evaluate.gens = {folder_ / "runs/teacache-0.1"};
  const Results results = EvaluateFolders(evaluate)[0];
  EXPECT_EQ(*cached.scores.at("psnr").mean, results.summary.at("psnr").mean);
  EXPECT_EQ(cached.scores.at("psnr").ci95->lo, results.summary.at("psnr").ci95->lo);
  EXPECT_EQ(*cached.scores.at("ssim").worst, results.summary.at("ssim").min);
  // Lossless files do not play in browsers; their copies do.
  EXPECT_TRUE(fs::exists(folder_ / ("report/" + cached.videos[0].path)));
  EXPECT_EQ(fs::path(cached.videos[0].path).extension(), ".mp4");
  EXPECT_TRUE(fs::exists(folder_ / ("report/" + cached.videos[0].scored_path)));
  EXPECT_TRUE(fs::exists(folder_ / "report/report.html"));
  EXPECT_EQ(ReportJson(ReadReportJson(folder_ / "report/report.json")), ReportJson(report));
}

TEST_F(RenderTest, WhatIsMissingOrDifferentIsShown) {
  WriteRuns("runs");
  const std::string name = "a, \"quoted\" prompt ";
  fs::remove(folder_ / ("runs/teacache-0.1/" + name + "0-0.mkv"));
  Write("runs/teacache-0.1/" + name + "1-0.mkv", Clip(1, 48));   // another size
  Write("runs/uniform-10/" + name + "2-0.mkv", Clip(2, 32, 5));  // another length
  Write("runs/uniform-10/extra-0.mkv", Clip(0));                 // nothing to compare with
  AtomicWriteFile(folder_ / ("runs/uniform-10/" + name + "1-0.mkv"), "not a video");
  for (int i = 0; i < 3; ++i) {
    Write("runs/teacache-0.5/" + name + std::to_string(i) + "-0.mp4", Clip(i));
  }
  const RenderOutcome outcome = Render({"runs"});
  EXPECT_EQ(outcome.failed, 4);
  const ReportRow& cached = Row(outcome.report, "teacache-0.1");
  EXPECT_THAT(outcome.report.context.warnings, Contains(HasSubstr("lossy files (h264)")));
  EXPECT_EQ(cached.videos[0].error, "missing");
  EXPECT_THAT(cached.videos[1].error, HasSubstr("32"));
  EXPECT_EQ(cached.scores.at("psnr").n, 1);
  const ReportRow& uniform = Row(outcome.report, "uniform-10");
  EXPECT_FALSE(uniform.videos[1].error.empty());
  EXPECT_FALSE(uniform.videos[2].error.empty());
  EXPECT_THAT(uniform.notes, Contains(HasSubstr("1 more videos have no uncached partner")));
  EXPECT_THAT(Row(outcome.report, "teacache-0.5").notes,
              Contains(HasSubstr("h264, the uncached ones ffv1")));
  EXPECT_THAT(ConclusionTexts(outcome.report), Contains(HasSubstr("4 of 12 videos failed")));
}

TEST_F(RenderTest, SettingFilesAndSchedules) {
  WriteRuns("runs");
  fs::rename(folder_ / "runs/teacache-0.1", folder_ / "runs/ours");
  fs::remove(folder_ / "runs/ours/timing.csv");
  AtomicWriteFile(folder_ / "runs/ours/setting.json",
                  R"({"policy": "teacache", "threshold": 0.2, "label": "ours", "calls": 4})");
  std::string lines;
  for (int i = 0; i < 3; ++i) {
    lines +=
        R"({"video": "a, \"quoted\" prompt )" + std::to_string(i) +
        R"(-0.mkv", "sha256": "ab", "seconds": 1.5, "transformer_seconds": 1, "calls": "CSSC"})" +
        "\n";
  }
  AtomicWriteFile(folder_ / "runs/ours/timing.jsonl", lines);
  const Report report = Render({"runs"}).report;
  const ReportRow& ours = Row(report, "ours");
  EXPECT_EQ(ours.label, "ours");
  EXPECT_EQ(ours.threshold, 0.2);
  EXPECT_EQ(ours.computed_mean, 2);
  EXPECT_EQ(ours.longest_skip, 2);
  EXPECT_EQ(ours.transformer.median, 1);
}

TEST_F(RenderTest, MistakesAreNamed) {
  MakeFolders(folder_ / "empty");
  EXPECT_THAT(ErrorOf("empty"), HasSubstr("must hold videos"));
  EXPECT_THAT(ErrorOf("nowhere"), HasSubstr("must be a folder"));
  WriteRuns("runs");
  fs::rename(folder_ / "runs/uncached", folder_ / "runs/zero");
  EXPECT_THAT(ErrorOf("runs"), HasSubstr("exactly one folder"));
  fs::rename(folder_ / "runs/zero", folder_ / "runs/none");
  EXPECT_EQ(ErrorOf("runs"), "no error");
  const auto with = [&](const std::string& file, const std::string& text) {
    AtomicWriteFile(folder_ / ("runs/none/" + file), text);
    const std::string error = ErrorOf("runs");
    fs::remove(folder_ / ("runs/none/" + file));
    return error;
  };
  EXPECT_THAT(with("setting.json", R"({"polcy": "none"})"), HasSubstr("\"polcy\""));
  EXPECT_THAT(with("setting.json", R"({"threshold": "low"})"), HasSubstr("threshold"));
  EXPECT_THAT(with("setting.json", "["), HasSubstr("JSON"));
  EXPECT_THAT(with("timing.jsonl", "{}\n"), HasSubstr("both"));
  fs::remove(folder_ / "runs/none/timing.csv");
  EXPECT_THAT(with("timing.csv", "video,seconds\na-0,fast\n"), HasSubstr("record 2"));
  EXPECT_THAT(with("timing.csv", "video,seconds\na-0\n"), HasSubstr("2 fields"));
  EXPECT_THAT(with("timing.csv", "video,second\na-0,1\n"), HasSubstr("\"second\""));
  EXPECT_THAT(with("timing.csv", "seconds\n1\n"), HasSubstr("name its video"));
  EXPECT_THAT(with("timing.jsonl", "{}\n{}\n"), HasSubstr("timing.jsonl:1: "));
  EXPECT_THAT(with("timing.jsonl", R"({"video": "a", "calls": "CX"})"), HasSubstr("calls"));
}

TEST_F(RenderTest, SweepsJoinInOneReport) {
  WriteRuns("runs");
  Report sweep = SyntheticSweep({.prompts = 2, .seeds = 1, .bootstrap_samples = 100});
  MakeFolders(folder_ / "sweep");
  WriteReportJson(folder_ / "sweep/report.json", sweep);
  const Report report = Render({"sweep", "runs"}).report;
  EXPECT_EQ(report.models.size(), 2u);
  EXPECT_EQ(report.rows.size(), sweep.rows.size() + 3);
  const ReportRow& row = Row(report, "shapes.teacache-0.1");
  EXPECT_TRUE(row.videos[0].path.starts_with("../sweep/preview/"));
  EXPECT_EQ(Row(report, "videos.uniform-10").matches, "videos.teacache-0.1");
  EXPECT_EQ(*row.scores.at("psnr").mean, *Row(sweep, "teacache-0.1").scores.at("psnr").mean);
}

TEST(JoinReports, EqualModelsAreToldApart) {
  const Report one = SyntheticSweep({.bootstrap_samples = 100});
  const Report both = JoinReports({{"a", one}, {"b", one}});
  EXPECT_EQ(both.models[0].name, "shapes");
  EXPECT_EQ(both.models[1].name, "shapes-2");
  EXPECT_EQ(both.rows.size(), 2 * one.rows.size());
  EXPECT_EQ(both.context.test_prompts, one.context.test_prompts);
  EXPECT_EQ(both.comparisons.size(), 2 * one.comparisons.size());
  EXPECT_THROW(JoinReports({}), UserError);
}

TEST(DiffReports, OnlyWhatIsBeyondTheIntervals) {
  const Report a = SyntheticSweep({.bootstrap_samples = 100});
  EXPECT_THAT(DifferenceText(DiffReports(a, a)), HasSubstr("Nothing became better"));
  EXPECT_THAT(DifferenceText(DiffReports(a, a)), HasSubstr("Nothing became worse"));
  Report b = a;
  b.rows.pop_back();
  for (ReportRow& row : b.rows) {
    for (ReportVideo& video : row.videos) {
      if (row.id == "teacache-0.1" && video.scores.contains("psnr")) {
        video.scores["psnr"] += 1 + 0.1 * video.prompt;
      }
      if (row.id == "teacache-0.2" && video.scores.contains("lpips")) video.scores["lpips"] += 0.1;
    }
  }
  b.context.git_commit = "another";
  ReportRow added = b.rows[1];
  added.id = "teacache-9";
  b.rows.push_back(added);
  const ReportDiff difference = DiffReports(a, b);
  EXPECT_EQ(difference.only_a, std::vector<std::string>{a.rows.back().id});
  EXPECT_EQ(difference.only_b, std::vector<std::string>{"teacache-9"});
  int better = 0;
  int worse = 0;
  for (const RowChange& row : difference.rows) {
    for (const MetricChange& change : row.metrics) {
      better += change.verdict > 0;
      worse += change.verdict < 0;
      if (change.verdict > 0) {
        EXPECT_EQ(row.id, "teacache-0.1");
        EXPECT_EQ(change.metric, "psnr");
        EXPECT_EQ(change.n, 16);
        EXPECT_NEAR(change.difference, 1.35, 1e-9);
      }
      if (change.verdict < 0) {
        EXPECT_EQ(row.id, "teacache-0.2");
        EXPECT_EQ(change.metric, "lpips");
      }
    }
  }
  EXPECT_EQ(better, 1);
  EXPECT_EQ(worse, 1);
  EXPECT_THAT(DifferenceText(difference), HasSubstr("git commit"));
  EXPECT_THAT(DifferenceJson(difference), HasSubstr("teacache-sweep-diff"));
}

}  // namespace
}  // namespace teacache
