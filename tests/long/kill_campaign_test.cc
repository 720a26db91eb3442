// The programs are killed at random moments, again and again, until they end by themselves; what
// they leave must equal an undisturbed run to the byte (times aside). TEACACHE_KILLS is the number
// of kills of each program (default 2).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "datasets/base/files.h"
#include "datasets/video/video.h"
#include "tests/e2e/programs.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Files = std::map<std::string, std::string>;

int Kills() {
  const char* text = std::getenv("TEACACHE_KILLS");
  return text == nullptr ? 2 : std::atoi(text);
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Everything in a folder but hidden files and those with one of `endings`.
Files AllFilesIn(const std::string& folder, const std::vector<std::string>& endings = {}) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    const bool left_out = std::ranges::any_of(
        endings, [&path](const std::string& ending) { return path.ends_with(ending); });
    if (!entry.is_regular_file() || left_out || entry.path().filename().string()[0] == '.') {
      continue;
    }
    files[path.substr(folder.size())] = ReadFile(path);
  }
  return files;
}

void AddTrace(const std::string& path, Files* files) {
  std::string& text = (*files)[fs::path(path).filename().string()];
  for (const std::string& line : TraceWithoutTimes(path)) text += line + "\n";
}

class KillCampaign : public ProgramTest {
 protected:
  // `arguments` without --out, which is a folder's name with `suffix`; `read` takes that folder.
  void Run(const std::string& program,
           std::vector<std::string> arguments,
           const std::string& suffix,
           const std::function<Files(const std::string&)>& read) {
    arguments.insert(arguments.end(), {"--out", ""});
    const auto run = [&](const std::string& out, const ProcessOptions& options) {
      arguments.back() = folder_ / (out + suffix);
      return RunTool(program, arguments, options);
    };
    const Clock::time_point start = Clock::now();
    const ProcessResult whole = run("whole", {});
    ASSERT_EQ(whole.exit_code, 0) << whole.err;
    const double seconds = SecondsSince(start);
    const Files expected = read(folder_ / "whole");
    ASSERT_FALSE(expected.empty());

    std::mt19937 random(20);
    std::uniform_real_distribution<double> moment(0, 1.1 * seconds);
    int killed = 0;
    int runs = 0;
    while (killed < Kills()) {
      const Clock::time_point begin = Clock::now();
      const double limit = moment(random);
      ProcessOptions options;
      options.signal_when = [&] { return SecondsSince(begin) >= limit ? SIGKILL : 0; };
      const ProcessResult result = run("cut", options);
      ++runs;
      if (result.signal == SIGKILL) {
        ++killed;
        continue;
      }
      ASSERT_EQ(result.exit_code, 0) << result.err;
      ASSERT_EQ(read(folder_ / "cut"), expected) << "after " << killed << " kills";
      fs::remove_all(folder_ / "cut");
    }
    const ProcessResult last = run("cut", {});
    ASSERT_EQ(last.exit_code, 0) << last.err;
    EXPECT_EQ(read(folder_ / "cut"), expected);
    RecordProperty("kills", killed);
    RecordProperty("runs", runs);
  }

  std::vector<std::string> Model() const { return {"--weights", Weights(), "--steps", "20"}; }

  void WriteVideos(const std::string& name, uint32_t seed) const {
    MakeFolders(folder_ / name);
    for (uint32_t i = 0; i < 12; ++i) {
      WriteVideo(folder_ / (name + "/clip " + std::to_string(i) + "-0.mp4"),
                 MakeTestVideo(160, 96, 12, seed + i));
    }
  }
};

TEST_F(KillCampaign, GenerateVideos) {
  std::vector<std::string> arguments = Model();
  arguments.insert(
      arguments.end(),
      {"--prompts", WritePrompts("p.txt", kShapesPrompts), "--seeds", "0-3", "--record"});
  Run("generate-videos", arguments, "", [](const std::string& out) {
    Files files = AllFilesIn(out + "/videos");
    AddTrace(out + "/trace.jsonl", &files);
    return files;
  });
}

TEST_F(KillCampaign, RecordDiffs) {
  std::vector<std::string> arguments = Model();
  arguments.insert(
      arguments.end(),
      {"--prompts", WritePrompts("p.txt", kShapesPrompts), "--seeds", "0-5", "--lookback", "2"});
  Run("record-diffs", arguments, "/trace.jsonl", [](const std::string& out) {
    Files files;
    AddTrace(out + "/trace.jsonl", &files);
    return files;
  });
}

TEST_F(KillCampaign, EvalMetrics) {
  WriteVideos("gt", 1);
  WriteVideos("gen", 100);
  Run("eval-metrics",
      {"--gt", folder_ / "gt", "--gen", folder_ / "gen", "--metrics", "psnr,ssim", "--jobs", "2"},
      "/results.json",
      [](const std::string& out) { return AllFilesIn(out); });
}

TEST_F(KillCampaign, VbenchScore) {
  WriteVideos("videos", 1);
  Run("vbench-score",
      {"--videos", folder_ / "videos", "--custom", "--dimensions", "temporal_flickering"},
      "",
      [](const std::string& out) { return AllFilesIn(out); });
}

TEST_F(KillCampaign, SweepReport) {
  std::vector<std::string> arguments = Model();
  arguments.insert(arguments.end(),
                   {"--fit-prompts",
                    WritePrompts("fit.txt", {kShapesPrompts[0], kShapesPrompts[1]}),
                    "--prompts",
                    WritePrompts("test.txt", {kShapesPrompts[2], kShapesPrompts[3]}),
                    "--degree",
                    "1",
                    "--thresholds",
                    "0.2,0.6",
                    "--baselines",
                    "uniform",
                    "--timed-runs",
                    "1"});
  Run("sweep-report", arguments, "", [](const std::string& out) {
    Files files = AllFilesIn(out + "/videos");
    files.merge(AllFilesIn(out + "/preview"));
    AddTrace(out + "/test_trace.jsonl", &files);
    return files;
  });
}

}  // namespace
}  // namespace teacache
