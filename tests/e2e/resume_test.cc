// Jobs, shards and interruptions leave the same files as one plain run.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/video/video.h"
#include "tests/e2e/programs.h"
#include "tests/support/matchers.h"
#include "tests/support/test_video.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

int VideosIn(const std::string& run) {
  int count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run + "/videos", error)) {
    count += entry.path().extension() == ".mp4" && entry.path().filename().string()[0] != '.';
  }
  return count;
}

class ResumeTest : public ProgramTest {
 protected:
  // 16 videos of 40 calls.
  std::vector<std::string> Generate(const std::string& out,
                                    const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"--weights",
                                          Weights(),
                                          "--steps",
                                          "40",
                                          "--prompts",
                                          WritePrompts("p.txt", kShapesPrompts),
                                          "--seeds",
                                          "0-3",
                                          "--record",
                                          "--out",
                                          folder_ / out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void Run(const std::vector<std::string>& arguments) const {
    const ProcessResult result = RunTool("generate-videos", arguments);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("16 in all"));
  }
  void ExpectSameRun(const std::string& actual, const std::string& expected) const {
    const auto videos = FilesIn(folder_ / (expected + "/videos"));
    EXPECT_EQ(videos.size(), 16u);
    EXPECT_EQ(FilesIn(folder_ / (actual + "/videos")), videos);
    EXPECT_EQ(TraceWithoutTimes(folder_ / (actual + "/trace.jsonl")),
              TraceWithoutTimes(folder_ / (expected + "/trace.jsonl")));
  }
  // Sends `signal` when some videos are there.
  ProcessResult Interrupt(const std::string& out, int signal, int after) const {
    ProcessOptions options;
    options.signal_when = [=, this] { return VideosIn(folder_ / out) >= after ? signal : 0; };
    return RunTool("generate-videos", Generate(out), options);
  }
};

TEST_F(ResumeTest, EvalMetricsInterrupted) {
  VideoWriterOptions options;
  options.codec = VideoWriterOptions::Codec::kFfv1;
  for (const char* folder : {"gt", "gen"}) {
    MakeFolders(folder_ / folder);
    const Video video = MakeTestVideo(320, 320, 16, folder[1] == 't' ? 1 : 2);
    for (int i = 0; i < 16; ++i) {
      WriteVideo(folder_ / fmt::format("{}/{}.mkv", folder, i), video, options);
    }
  }
  const auto run = [&](const std::string& out, const ProcessOptions& process) {
    return RunTool("eval-metrics",
                   {"--gt",
                    folder_ / "gt",
                    "--gen",
                    folder_ / "gen",
                    "--metrics",
                    "psnr,ssim",
                    "--jobs",
                    "1",
                    "--out",
                    folder_ / (out + "/results.json")},
                   process);
  };
  ASSERT_EQ(run("whole", {}).exit_code, 0);
  ProcessOptions interrupted;
  interrupted.signal_when = [&] {
    return fs::exists(folder_ / "parts/results.json.journal") ? SIGINT : 0;
  };
  const ProcessResult stopped = run("parts", interrupted);
  EXPECT_EQ(stopped.exit_code, 1) << "not everything was done";
  EXPECT_THAT(stopped.err, HasSubstr("eval-metrics: interrupted: after "));
  EXPECT_FALSE(fs::exists(folder_ / "parts/results.json"));
  EXPECT_EQ(run("parts", {}).exit_code, 0);
  EXPECT_EQ(ReadFile(folder_ / "parts/results.json"), ReadFile(folder_ / "whole/results.json"));
}

TEST_F(ResumeTest, TwoJobsEqualOneToTheByte) {
  Run(Generate("one"));
  Run(Generate("two", {"--jobs", "2"}));
  ExpectSameRun("two", "one");
  const auto record = [&](const std::string& out, const std::string& jobs) {
    const ProcessResult result = RunTool("record-diffs",
                                         {"--weights",
                                          Weights(),
                                          "--steps",
                                          "20",
                                          "--prompts",
                                          folder_ / "p.txt",
                                          "--lookback",
                                          "3",
                                          "--out",
                                          folder_ / out,
                                          "--jobs",
                                          jobs});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return TraceWithoutTimes(folder_ / out);
  };
  EXPECT_EQ(record("t2.jsonl", "2"), record("t1.jsonl", "1"));
}

TEST_F(ResumeTest, KilledInTheMiddle) {
  const ProcessResult killed = Interrupt("killed", SIGKILL, 3);
  ASSERT_EQ(killed.signal, SIGKILL) << "ended before it could be killed";
  const int there = VideosIn(folder_ / "killed");
  ASSERT_GE(there, 3);
  ASSERT_LT(there, 16);
  // Videos of the journal are finished; remember when they were written.
  std::map<std::string, fs::file_time_type> finished;
  ReadJournal(folder_ / "killed/timing.jsonl").ForEachEntry([&](const JsonNode& entry) {
    const std::string file = folder_ / ("killed/" + entry.At("file").String());
    finished[file] = fs::last_write_time(file);
  });
  EXPECT_GE(finished.size(), 2u);
  const ProcessResult again = RunTool("generate-videos", Generate("killed"));
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out,
              HasSubstr(std::to_string(16 - finished.size()) + " videos made, " +
                        std::to_string(finished.size()) + " were there, 16 in all"));
  for (const auto& [file, time] : finished) EXPECT_EQ(fs::last_write_time(file), time) << file;
  Run(Generate("whole"));
  ExpectSameRun("killed", "whole");
}

TEST_F(ResumeTest, InterruptedByTheUser) {
  const ProcessResult stopped = Interrupt("stopped", SIGINT, 2);
  ASSERT_EQ(stopped.exit_code, 1) << stopped.signal << " " << stopped.err;
  const int there = VideosIn(folder_ / "stopped");
  EXPECT_LT(there, 16);
  EXPECT_THAT(
      stopped.out,
      HasSubstr(fmt::format(
          "interrupted after {} of 16 videos; run the same command again to go on\n", there)));
  // What it says is what is there, and every video is whole.
  EXPECT_THAT(stopped.out,
              HasSubstr(std::to_string(there) + " videos made, 0 were there, 16 in all"));
  EXPECT_EQ(ReadJournal(folder_ / "stopped/timing.jsonl").entries.size(),
            static_cast<size_t>(there));
  Run(Generate("stopped"));
  Run(Generate("whole"));
  ExpectSameRun("stopped", "whole");
}

TEST_F(ResumeTest, ShardsMakeTheWhole) {
  Run(Generate("whole"));
  for (const char* shard : {"0/2", "1/2"}) {
    const ProcessResult result = RunTool("generate-videos", Generate("parts", {"--shard", shard}));
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("8 videos made"));
    EXPECT_THAT(result.out, EndsWith("of 2, by --shard (--shard 0/1 does all of it).\n"));
  }
  EXPECT_EQ(FilesIn(folder_ / "parts/videos"), FilesIn(folder_ / "whole/videos"));
  // From a job array's variables too, and the parts of a trace fit like the whole.
  for (const char* rank : {"0", "1"}) {
    ProcessOptions options;
    options.environment = {{"RANK", rank}, {"WORLD_SIZE", "2"}};
    const ProcessResult result = RunTool("record-diffs",
                                         {"--weights",
                                          Weights(),
                                          "--steps",
                                          "40",
                                          "--prompts",
                                          folder_ / "p.txt",
                                          "--seeds",
                                          "0-3",
                                          "--out",
                                          folder_ / "part.jsonl"},
                                         options);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  const auto fit = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--degree", "1", "--bootstrap", "0"});
    const ProcessResult result = RunTool("fit-coeffs", arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  };
  fit({folder_ / "part.part-0-of-2.jsonl",
       folder_ / "part.part-1-of-2.jsonl",
       "--out",
       folder_ / "parts.json"});
  fit({folder_ / "whole/trace.jsonl", "--out", folder_ / "whole.json"});
  const auto coefficients = [&](const std::string& name) {
    return nlohmann::json::parse(ReadFile(folder_ / name))
        .at("coefficients")
        .get<std::vector<double>>();
  };
  EXPECT_TRUE(Near(coefficients("parts.json"), coefficients("whole.json"), 1e-7, 1e-9));
}

TEST_F(ResumeTest, TrainingGoesOn) {
  const auto arguments = [&](const std::string& name) {
    return std::vector<std::string>{"--work",
                                    folder_ / (name + "/work"),
                                    "--out",
                                    folder_ / (name + "/weights"),
                                    "--frame-steps",
                                    "2",
                                    "--decoder-steps",
                                    "2",
                                    "--code-steps",
                                    "2",
                                    "--refine-steps",
                                    "2",
                                    "--transformer-steps",
                                    "12",
                                    "--transformer-batch",
                                    "2",
                                    "--pool",
                                    "512",
                                    "--width",
                                    "32",
                                    "--heads",
                                    "2",
                                    "--depth",
                                    "1",
                                    "--sample-every",
                                    "100"};
  };
  const ProcessResult whole = RunTool("train-shapes", arguments("whole"));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_EQ(whole.out, folder_ / "whole/weights\n");
  EXPECT_TRUE(fs::exists(folder_ / "whole/work/sheet_000012.png"));
  EXPECT_THAT(ReadFile(folder_ / "whole/work/training.jsonl"), HasSubstr("\"stage\":\"frame\""));
  ProcessOptions options;
  options.signal_when = [&] {
    return fs::exists(folder_ / "parts/work/frame-decoder.checkpoint.safetensors") ? SIGINT : 0;
  };
  const ProcessResult stopped = RunTool("train-shapes", arguments("parts"), options);
  ASSERT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("interrupted"));
  const ProcessResult again = RunTool("train-shapes", arguments("parts"));
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(ReadFile(folder_ / "parts/weights/SHA256SUMS"),
            ReadFile(folder_ / "whole/weights/SHA256SUMS"));
  // And they are weights that the programs take.
  const ProcessResult generated = RunTool("generate-videos",
                                          {"--weights",
                                           folder_ / "parts/weights",
                                           "--prompt",
                                           kShapesPrompts[0],
                                           "--steps",
                                           "2",
                                           "--out",
                                           folder_ / "run"});
  EXPECT_EQ(generated.exit_code, 0) << generated.err;
}

}  // namespace
}  // namespace teacache
