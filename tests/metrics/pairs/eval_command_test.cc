// eval-metrics as its users run it: files in, files out, interruptions, several methods.
#include "metrics/pairs/eval_command.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/results_fields.h"
#include "metrics/frames/psnr.h"
#include "metrics/pairs/results_text.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::ThrowsMessage;

class EvalCommandTest : public testing::Test {
 protected:
  static constexpr int kFrames = 3, kWidth = 36, kHeight = 28;

  Video MakeVideo(int index) const {
    Video video;
    video.fps = 8;
    for (int t = 0; t < kFrames; ++t) {
      video.frames.push_back(MakeFrame(Content::kNatural, kWidth, kHeight, 100 * index + t));
    }
    return video;
  }
  static Video Noisy(Video video, int amplitude) {
    for (size_t t = 0; t < video.frames.size(); ++t) {
      video.frames[t] = AddNoise(video.frames[t], amplitude, static_cast<uint32_t>(t + amplitude));
    }
    return video;
  }
  void Write(const std::string& name, const Video& video) {
    fs::create_directories(fs::path(dir_ / name).parent_path());
    VideoWriterOptions options;
    options.codec = VideoWriterOptions::Codec::kFfv1;
    options.fps = 8;
    WriteVideo(dir_ / name, video, options);
  }
  // Folders gt, fast (noise of 4 + i levels) and slow (2 + i) with `count` videos.
  void WriteFolders(int count) {
    for (int i = 0; i < count; ++i) {
      const Video gt = MakeVideo(i);
      const std::string name = fmt::format("/clip {}-0.mkv", i);
      Write("gt" + name, gt);
      Write("fast" + name, Noisy(gt, 4 + i));
      Write("slow" + name, Noisy(gt, 2 + i));
    }
  }
  EvalCommand Command(const std::string& gen = "fast") const {
    EvalCommand command;
    command.evaluate.gt = dir_ / "gt";
    command.evaluate.gens = {dir_ / gen};
    command.evaluate.pooling.bootstrap_samples = 200;
    return command;
  }
  TempDir dir_;
};

TEST_F(EvalCommandTest, WritesResultsThatReadBack) {
  WriteFolders(3);
  EvalCommand command = Command();
  command.out = dir_ / "results.json";
  command.evaluate.score.per_frame = true;
  const EvalOutcome outcome = RunEvalCommand(command);
  EXPECT_EQ(outcome.exit_code, 0);
  const Results read = ReadResults(command.out);
  ASSERT_EQ(read.videos.size(), 3u);
  const Video gt = MakeVideo(1), gen = Noisy(gt, 5);
  EXPECT_EQ(read.videos[1].name, "clip 1-0");
  EXPECT_EQ(read.videos[1].per_frame.at("psnr")[2], Psnr(gt.frames[2], gen.frames[2]));
  EXPECT_EQ(read.videos[1].gt.codec, "ffv1");
  EXPECT_EQ(read.videos[1].gen.width, kWidth);
  EXPECT_EQ(read.videos[1].gt.num_frames, kFrames);
  EXPECT_EQ(read.videos[1].gen.num_frames, kFrames);
  EXPECT_EQ(ResultsToJson(read), ReadFile(command.out));
  EXPECT_EQ(ResultsToJson(outcome.results[0]), ReadFile(command.out));
  const std::string csv = ReadFile(fs::path(command.out).replace_extension(".per_video.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  EXPECT_THAT(csv, HasSubstr("clip 2-0,"));
  EXPECT_THAT(csv, HasSubstr("ffv1"));
}

TEST_F(EvalCommandTest, DigitsDoNotDependOnJobs) {
  WriteFolders(5);
  std::vector<std::string> texts;
  for (int jobs : {1, 2, 7}) {
    EvalCommand command = Command();
    command.evaluate.jobs = jobs;
    texts.push_back(ResultsToJson(RunEvalCommand(command).results[0]));
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(texts[0], texts[2]);
}

TEST_F(EvalCommandTest, SeveralMethodsAtOnceEqualEachAlone) {
  WriteFolders(3);
  EvalCommand both = Command();
  both.evaluate.gens.push_back(dir_ / "slow");
  both.out = dir_ / "r.json";
  RunEvalCommand(both);
  for (const std::string gen : {"fast", "slow"}) {
    EvalCommand one = Command(gen);
    EXPECT_EQ(ReadFile(dir_ / fmt::format("r.{}.json", gen)),
              ResultsToJson(RunEvalCommand(one).results[0]));
    EXPECT_TRUE(fs::exists(dir_ / fmt::format("r.{}.per_video.csv", gen)));
  }
}

TEST_F(EvalCommandTest, BaselineAndComparison) {
  WriteFolders(4);
  EvalCommand command = Command("fast");
  command.baseline = dir_ / "slow";
  command.compare = dir_ / "slow";
  command.out = dir_ / "r.json";
  const EvalOutcome outcome = RunEvalCommand(command);
  ASSERT_EQ(outcome.results.size(), 1u);
  const Results slow = RunEvalCommand(Command("slow")).results[0];
  const Results& fast = outcome.results[0];
  EXPECT_EQ(fast.baseline.at("psnr").mean, slow.summary.at("psnr").mean);
  const PairedDifference d = fast.comparison.at("psnr");
  EXPECT_NEAR(d.mean, fast.summary.at("psnr").mean - slow.summary.at("psnr").mean, 1e-9);
  EXPECT_EQ(d.n, 4);
  EXPECT_EQ(d.b_better, 4);
  EXPECT_LT(d.ci95->hi, 0);
  EXPECT_THAT(outcome.text, HasSubstr("noise floor"));
  EXPECT_THAT(outcome.text, HasSubstr("Difference to"));
  // Against identical videos there is no difference in dB.
  command.compare = dir_ / "gt";
  EXPECT_THAT(RunEvalCommand(command).text, HasSubstr("no videos with finite values"));
  command.compare = dir_ / "slow";
  RunEvalCommand(command);
  const Results read = ReadResults(command.out);
  EXPECT_EQ(read.comparison.at("psnr").mean, d.mean);
  EXPECT_EQ(read.baseline.at("ssim").mean, slow.summary.at("ssim").mean);
}

TEST_F(EvalCommandTest, MissingPartnersAreReported) {
  WriteFolders(2);
  fs::remove(dir_ / "fast/clip 0-0.mkv");
  Write("fast/other-0.mkv", MakeVideo(9));
  EvalCommand command = Command();
  const EvalOutcome outcome = RunEvalCommand(command);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.results[0].unmatched_gt, ElementsAre(HasSubstr("gt/clip 0-0.mkv")));
  EXPECT_THAT(outcome.results[0].unmatched_gen, ElementsAre(HasSubstr("other-0.mkv")));
  EXPECT_THAT(outcome.text, HasSubstr("without a partner"));
  command.allow_missing = true;
  EXPECT_EQ(RunEvalCommand(command).exit_code, 0);
  fs::remove(dir_ / "fast/clip 1-0.mkv");
  EXPECT_THAT([&] { RunEvalCommand(command); },
              ThrowsMessage<UserError>(HasSubstr("none of 1 match")));
}

TEST_F(EvalCommandTest, BadFilesAreRowsAndTheRestGoesOn) {
  WriteFolders(4);
  std::ofstream(dir_ / "fast/clip 0-0.mkv", std::ios::trunc) << "";
  std::ofstream(dir_ / "gt/clip 1-0.mkv", std::ios::trunc) << "not a video at all";
  Video small = MakeVideo(2);
  for (Frame& frame : small.frames) frame = MakeFrame(Content::kNatural, 20, 20, 1);
  Write("fast/clip 2-0.mkv", small);
  const EvalOutcome outcome = RunEvalCommand(Command());
  EXPECT_EQ(outcome.exit_code, 1);
  const auto& videos = outcome.results[0].videos;
  ASSERT_EQ(videos.size(), 4u);
  EXPECT_THAT(videos[0].error, HasSubstr("fast/clip 0-0.mkv"));
  EXPECT_THAT(videos[1].error, HasSubstr("ground truth: "));
  EXPECT_THAT(videos[1].error, HasSubstr("gt/clip 1-0.mkv"));
  EXPECT_THAT(videos[2].error, HasSubstr("fast/clip 2-0.mkv: must be 36x28"));
  EXPECT_THAT(videos[2].error, HasSubstr("20x20"));
  EXPECT_EQ(videos[3].error, "");
  EXPECT_EQ(outcome.results[0].summary.at("psnr").n, 1);
  EXPECT_THAT(outcome.text, HasSubstr("Not scored: 3 of 4"));
}

TEST_F(EvalCommandTest, VideosOfDifferentLengths) {
  WriteFolders(2);
  Video gt = MakeVideo(1);
  gt.frames.push_back(gt.frames[0]);
  Write("gt/clip 1-0.mkv", gt);
  const EvalOutcome strict = RunEvalCommand(Command());
  EXPECT_THAT(strict.results[0].videos[1].error,
              HasSubstr("fast/clip 1-0.mkv: must have as many frames"));
  EXPECT_THAT(strict.text, Not(HasSubstr("mean of all frames")));
  Write("fast/clip 1-0.mkv", Noisy(gt, 9));
  EXPECT_THAT(RunEvalCommand(Command()).text, HasSubstr("mean of all frames"));
}

TEST_F(EvalCommandTest, TruncatedVideoIsNoPartialResult) {
  WriteFolders(1);
  const std::string bytes = ReadFile(dir_ / "fast/clip 0-0.mkv");
  for (double part : {0.3, 0.7, 0.9}) {
    std::ofstream(dir_ / "fast/clip 0-0.mkv", std::ios::trunc | std::ios::binary)
        << bytes.substr(0, static_cast<size_t>(part * static_cast<double>(bytes.size())));
    const EvalOutcome outcome = RunEvalCommand(Command());
    EXPECT_EQ(outcome.exit_code, 1) << part;
    EXPECT_THAT(outcome.results[0].videos[0].error, Not(IsEmpty()));
    EXPECT_THAT(outcome.results[0].videos[0].scores, IsEmpty());
    EXPECT_THAT(outcome.results[0].summary, IsEmpty());
  }
}

// Ranks have one command line: none replaces another's results, and each says that it is a part.
TEST_F(EvalCommandTest, PartsMergeToTheWhole) {
  WriteFolders(5);
  EvalCommand whole = Command();
  whole.out = dir_ / "whole.json";
  EXPECT_THAT(RunEvalCommand(whole).text, Not(HasSubstr("This is part")));
  for (int i = 0; i < 3; ++i) {
    EvalCommand part = Command();
    part.evaluate.shard = {i, 3, "RANK"};
    part.evaluate.pooling.bootstrap_samples = 10 * i;  // intervals are computed again
    part.out = dir_ / "parts.json";
    EXPECT_THAT(
        RunEvalCommand(part).text,
        EndsWith(fmt::format("This is part {} of 3, by RANK (--shard 0/1 does all of it).\n", i)));
    EXPECT_TRUE(fs::exists(dir_ / fmt::format("parts.part-{}-of-3.json", i)));
    EXPECT_TRUE(fs::exists(dir_ / fmt::format("parts.part-{}-of-3.per_video.csv", i)));
  }
  EXPECT_FALSE(fs::exists(dir_ / "parts.json"));
  EvalCommand merge = Command();
  merge.merge = {dir_ / "parts.json"};
  merge.out = dir_ / "merged.json";
  RunEvalCommand(merge);
  EXPECT_EQ(ReadFile(dir_ / "merged.json"), ReadFile(dir_ / "whole.json"));
}

TEST_F(EvalCommandTest, JsonOnStandardOutput) {
  WriteFolders(2);
  EvalCommand command = Command();
  command.json = "-";
  const auto one = nlohmann::json::parse(RunEvalCommand(command).text);
  EXPECT_EQ(one["videos"].size(), 2u);
  command.evaluate.gens.push_back(dir_ / "slow");
  const auto two = nlohmann::json::parse(RunEvalCommand(command).text);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1]["context"]["gen"], dir_ / "slow");
}

TEST_F(EvalCommandTest, IdenticalVideosHaveNoInfinityInJson) {
  WriteFolders(1);
  EvalCommand command = Command("gt");
  command.evaluate.score.per_frame = true;
  const EvalOutcome outcome = RunEvalCommand(command);
  const std::string json = ResultsToJson(outcome.results[0]);
  EXPECT_TRUE(nlohmann::json::accept(json));  // which refuses NaN and Infinity
  EXPECT_THAT(json, HasSubstr("\"identical\": true"));
  EXPECT_THAT(outcome.text, HasSubstr("inf"));
  EXPECT_THAT(ResultsToCsv(outcome.results[0]), HasSubstr("inf"));
  const auto back = FromJson<VideoScore>(ToJson(outcome.results[0].videos[0], "x"), "x");
  EXPECT_TRUE(std::isinf(back.scores.at("psnr")));
  EXPECT_TRUE(std::isinf(back.per_frame.at("psnr")[0]));
  EXPECT_EQ(back.identical_frames, kFrames);
}

// Kills itself (as kill -9 does) when the given number of videos is done.
class Killer : public ProgressSink {
 public:
  explicit Killer(int64_t after) : after_(after) {}
  void Report(const Progress& progress) override {
    if (progress.done >= after_) raise(SIGKILL);
  }
  void Warn(std::string_view) override {}

 private:
  int64_t after_;
};

class Counter : public ProgressSink {
 public:
  void Report(const Progress& progress) override {
    if (first < 0) first = progress.done;
  }
  void Warn(std::string_view) override {}
  int64_t first = -1;
};

TEST_F(EvalCommandTest, KilledInTheMiddleAndRunAgainGivesTheSameBytes) {
  WriteFolders(6);
  // One identical pair: infinity must survive the journal.
  Write("fast/clip 1-0.mkv", MakeVideo(1));
  EvalCommand command = Command();
  command.evaluate.score.per_frame = true;
  command.out = dir_ / "whole.json";
  RunEvalCommand(command);
  command.out = dir_ / "resumed.json";
  command.evaluate.journal = command.out + ".journal";
  for (int done : {2, 4}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Killer killer(done);
      command.evaluate.progress = &killer;
      RunEvalCommand(command);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_FALSE(fs::exists(command.out));
    EXPECT_TRUE(fs::exists(command.evaluate.journal));
  }
  Counter counter;
  command.evaluate.progress = &counter;
  RunEvalCommand(command);
  EXPECT_GE(counter.first, 3) << "finished videos must not be scored again";
  EXPECT_EQ(ReadFile(dir_ / "resumed.json"), ReadFile(dir_ / "whole.json"));
  EXPECT_FALSE(fs::exists(command.evaluate.journal));
}

TEST_F(EvalCommandTest, ChangedFilesAreScoredAgain) {
  WriteFolders(2);
  fs::remove(dir_ / "gt/clip 1-0.mkv");  // so that the journal stays
  EvalCommand command = Command();
  command.evaluate.journal = dir_ / "j";
  const double before = RunEvalCommand(command).results[0].videos[0].scores.at("psnr");
  Write("fast/clip 0-0.mkv", Noisy(MakeVideo(0), 30));
  const double after = RunEvalCommand(command).results[0].videos[0].scores.at("psnr");
  EXPECT_LT(after, before - 5);
}

TEST_F(EvalCommandTest, AnotherMetricIsAnotherJournal) {
  WriteFolders(2);
  fs::remove(dir_ / "gt/clip 1-0.mkv");
  EvalCommand command = Command();
  command.evaluate.journal = dir_ / "j";
  RunEvalCommand(command);
  command.evaluate.score.metrics = MakeMetrics("psnr,ssim", {.ssim_variant = "ffmpeg"});
  EXPECT_THROW(RunEvalCommand(command), UserError);
}

TEST_F(EvalCommandTest, RequirementsDecideTheExitCode) {
  WriteFolders(3);
  EvalCommand command = Command();
  command.out = dir_ / "r.json";
  command.requirements = ParseRequirements({"psnr >= 1", "psnr.worst >= 200"});
  const EvalOutcome failed = RunEvalCommand(command);
  EXPECT_EQ(failed.exit_code, 3);
  EXPECT_THAT(failed.breaches,
              AllOf(testing::StartsWith("psnr.worst>=200 failed: the worst is "), EndsWith("\n")));
  EXPECT_EQ(std::count(failed.breaches.begin(), failed.breaches.end(), '\n'), 1);
  const auto json = nlohmann::json::parse(ReadFile(command.out)).at("requirements");
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0].at("met"), true);
  EXPECT_EQ(json[1].at("met"), false);
  EXPECT_EQ(json[1].at("requirement"), "psnr.worst>=200");

  command.requirements = ParseRequirements({"psnr>=1", "lpips<=0.1"});
  EXPECT_EQ(RunEvalCommand(command).exit_code, 1) << "not scored";
  command.requirements = ParseRequirements({"psnr>=1"});
  EXPECT_EQ(RunEvalCommand(command).exit_code, 0);
  command.evaluate.gens = {dir_ / "gt"};
  command.requirements = ParseRequirements({"psnr>=1000", "psnr.p5>1e6", "ssim.min>=1"});
  EXPECT_EQ(RunEvalCommand(command).exit_code, 0) << "identical";
  // Two methods: the one that fails is named.
  command.evaluate.gens = {dir_ / "gt", dir_ / "fast"};
  command.requirements = ParseRequirements({"psnr>=1000"});
  const EvalOutcome two = RunEvalCommand(command);
  EXPECT_EQ(two.exit_code, 3);
  EXPECT_THAT(two.breaches, testing::StartsWith("fast: psnr>=1000 failed: the mean is "));
  fs::remove(dir_ / "fast/clip 1-0.mkv");
  EXPECT_EQ(RunEvalCommand(command).exit_code, 1) << "incomplete";
}

TEST_F(EvalCommandTest, WarningsForLossyCarriersAndFrameRates) {
  const Video gt = MakeVideo(1);
  Write("gt/a.mkv", gt);
  VideoWriterOptions lossy;
  lossy.fps = 12;
  fs::create_directories(dir_ / "fast");
  Video wide = gt;
  for (Frame& frame : wide.frames) frame = MakeFrame(Content::kNatural, 48, 32, 1);
  WriteVideo(dir_ / "fast/a.mp4", wide, lossy);
  EvalCommand command = Command();
  command.evaluate.score.size = SizePolicy::kResizeGen;
  const EvalOutcome outcome = RunEvalCommand(command);
  EXPECT_THAT(outcome.results[0].videos[0].warnings,
              testing::IsSupersetOf({HasSubstr("frame rates differ: 8 (ground truth), 12"),
                                     HasSubstr("the generated video is lossy (h264)")}));
  EXPECT_THAT(outcome.text, HasSubstr("warning: frame rates differ"));
}

// The file that TeaCache's eval.py leaves: its name, its one line without an end, and no partial
// one.
TEST_F(EvalCommandTest, TextFileOfTheScript) {
  VideoWriterOptions h264;
  for (const char* side : {"gt", "v1.fast"}) {
    fs::create_directories(dir_ / side);
    for (int i = 0; i < 2; ++i) {
      Video video;
      video.fps = 8;
      for (int t = 0; t < 2; ++t) {
        video.frames.push_back(MakeFrame(Content::kNatural, 32, 32, 10 * i + t + side[0]));
      }
      WriteVideo(dir_ / fmt::format("{}/p-{}.mp4", side, i), video, h264);
    }
  }
  EvalCommand command = Command("v1.fast/");  // as completed by a shell
  command.evaluate.teacache = true;
  command.line_folder = dir_ / "lines";
  fs::create_directories(command.line_folder);
  const EvalOutcome outcome = RunEvalCommand(command);
  const std::string line = ReadFile(dir_ / "lines/v1.fast.txt");
  EXPECT_THAT(line, testing::MatchesRegex("lpips: n/a, psnr: [0-9.]+, ssim: 0\\.[0-9]{4}"));
  EXPECT_TRUE(outcome.text.starts_with(line + "\n"));
  EXPECT_EQ(std::distance(fs::directory_iterator(command.line_folder), {}), 1);
  // Left out on purpose it is no failure, for want of weights it is.
  EXPECT_EQ(outcome.exit_code, 0);
  command.evaluate.notes = {"no LPIPS"};
  EXPECT_EQ(RunEvalCommand(command).exit_code, 1);
}

TEST_F(EvalCommandTest, FramesAsALongTable) {
  WriteFolders(2);
  EvalCommand command = Command("fast");
  command.evaluate.score.per_frame = true;
  command.out = dir_ / "r.json";
  const Results results = RunEvalCommand(command).results[0];
  const std::string csv = ReadFile(dir_ / "r.per_frame.csv");
  const VideoScore& first = results.videos[0];
  EXPECT_THAT(
      csv,
      testing::StartsWith(fmt::format(
          "name,frame,metric,value\n{},0,psnr,{}\n", first.name, first.per_frame.at("psnr")[0])));
  size_t lines = 1;
  for (const VideoScore& video : results.videos) {
    for (const auto& [metric, values] : video.per_frame) lines += values.size();
  }
  EXPECT_EQ(std::ranges::count(csv, '\n'), static_cast<std::ptrdiff_t>(lines));
  fs::remove(dir_ / "r.per_frame.csv");
  command.evaluate.score.per_frame = false;
  RunEvalCommand(command);
  EXPECT_FALSE(fs::exists(dir_ / "r.per_frame.csv"));
}

TEST_F(EvalCommandTest, TheNoiseFloorIsInterpreted) {
  WriteFolders(4);
  EvalCommand command = Command("fast");
  command.baseline = dir_ / "gt";
  EXPECT_THAT(RunEvalCommand(command).text, HasSubstr("above the noise floor"));
  command.baseline = dir_ / "fast";
  EXPECT_THAT(RunEvalCommand(command).text, HasSubstr("within the noise floor"));
}

// What is only for the user's information must not stand between a mistake and its message.
TEST_F(EvalCommandTest, NotesComeAfterThePairing) {
  class Listener : public ProgressSink {
   public:
    void Report(const Progress&) override {}
    void Warn(std::string_view message) override { warnings.emplace_back(message); }
    std::vector<std::string> warnings;
  } listener;
  WriteFolders(1);
  EvalCommand command = Command();
  command.evaluate.progress = &listener;
  command.evaluate.notes = {"no LPIPS"};
  RunEvalCommand(command);
  EXPECT_THAT(listener.warnings, ElementsAre("no LPIPS"));
  listener.warnings.clear();
  command.evaluate.gt = dir_ / "none";
  EXPECT_THROW(RunEvalCommand(command), UserError);
  EXPECT_THAT(listener.warnings, IsEmpty());
}

// A folder of pictures is as new as its newest picture.
TEST_F(EvalCommandTest, ChangedPicturesAreScoredAgain) {
  VideoWriterOptions png;
  png.codec = VideoWriterOptions::Codec::kPng;
  for (int i = 0; i < 2; ++i) {
    fs::create_directories(dir_ / "gt");
    fs::create_directories(dir_ / "fast");
    WriteVideo(dir_ / fmt::format("gt/{}", i), MakeVideo(i), png);
    WriteVideo(dir_ / fmt::format("fast/{}", i), Noisy(MakeVideo(i), 3), png);
  }
  fs::remove_all(dir_ / "gt/1");  // so that the journal stays
  EvalCommand command = Command();
  command.evaluate.journal = dir_ / "j";
  const double before = RunEvalCommand(command).results[0].videos[0].scores.at("psnr");
  WriteVideo(dir_ / "other", Noisy(MakeVideo(0), 60), png);
  const std::string bytes = ReadFile(dir_ / "other/0001.png");
  std::ofstream(dir_ / "fast/0/0001.png", std::ios::binary | std::ios::trunc) << bytes;
  const double after = RunEvalCommand(command).results[0].videos[0].scores.at("psnr");
  EXPECT_LT(after, before - 3);
}

// Ground truth, list and results survive every name that an output can have.
TEST_F(EvalCommandTest, NoInputIsHarmed) {
  WriteFolders(2);
  AtomicWriteFile(dir_ / "fast.txt", std::string_view("fast/clip 0-0.mkv\nfast/clip 1-0.mkv\n"));
  MakeFolders(dir_ / "folder.json");
  std::map<std::string, std::string> before;
  for (const char* side : {"gt", "fast"}) {
    for (const std::string& name : ListFolder(dir_ / side)) {
      before[dir_ / side + "/" + name] = ReadFile(dir_ / side + "/" + name);
    }
  }
  const auto refused = [&](const std::string& out,
                           const std::string& csv,
                           const std::string& text,
                           const std::string& gen = "fast") {
    EvalCommand command = Command(gen);
    command.out = out;
    command.csv = csv;
    EXPECT_THAT([&] { RunEvalCommand(command); }, ThrowsMessage<UserError>(HasSubstr(text)))
        << out << " " << csv;
  };
  refused(dir_ / "gt", "", "--out: must be a file but");
  refused("", dir_ / "gt", "--csv: must be a file but");
  refused(dir_ / "folder.json", "", "--out: must be a file but");
  refused("", dir_ / "gt/clip 0-0.mkv", "--csv: must be no input");
  refused(dir_ / "fast/new.mp4", "", "--out: must not be among the files that --gen reads");
  refused(dir_ / "r", dir_ / "r", "--csv: must be another file than --out");
  refused(dir_ / "r.json", dir_ / "r.json", "must be another file");
  refused("", dir_ / "fast.txt", "--csv: must be no input", "fast.txt");
  refused("", dir_ / "fast/clip 1-0.mkv", "--csv: must be no input", "fast.txt");
  EvalCommand compat = Command();
  compat.line_folder = dir_.path().string();
  MakeFolders(dir_ / "slow.txt");
  compat.evaluate.gens = {dir_ / "slow"};
  EXPECT_THAT([&] { RunEvalCommand(compat); },
              ThrowsMessage<UserError>(HasSubstr("--compat: must be a file but")));
  for (const auto& [path, bytes] : before) EXPECT_EQ(ReadFile(path), bytes) << path;
  EXPECT_TRUE(fs::is_directory(dir_ / "folder.json"));
}

TEST_F(EvalCommandTest, FoldersOfTheOutputAreMade) {
  WriteFolders(1);
  EvalCommand command = Command();
  command.out = dir_ / "new/results/r.json";
  command.csv = dir_ / "tables/videos.csv";
  command.evaluate.journal = command.out + ".journal";
  EXPECT_EQ(RunEvalCommand(command).exit_code, 0);
  EXPECT_TRUE(fs::exists(command.out));
  EXPECT_TRUE(fs::exists(command.csv));
  // What cannot be written is refused before anything is scored.
  AtomicWriteFile(dir_ / "file", std::string_view("x"));
  command.csv = dir_ / "file/videos.csv";
  EXPECT_THAT([&] { RunEvalCommand(command); }, ThrowsMessage<UserError>(HasSubstr("file")));
}

TEST_F(EvalCommandTest, MistakesOfTheCall) {
  EvalCommand command;
  EXPECT_THROW(RunEvalCommand(command), UserError);
  command.evaluate.gt = dir_ / "none";
  command.evaluate.gens = {dir_ / "none"};
  EXPECT_THAT([&] { RunEvalCommand(command); },
              ThrowsMessage<UserError>(HasSubstr("does not exist")));
  command.evaluate.score.metrics.clear();
  EXPECT_THAT([&] { RunEvalCommand(command); }, ThrowsMessage<UserError>(HasSubstr("metric")));
}

}  // namespace
}  // namespace teacache
