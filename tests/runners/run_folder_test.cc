// record-diffs and generate-videos as library calls, on a small random model.

#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/prompts.h"
#include "runners/generate_videos.h"
#include "runners/record_diffs.h"
#include "runners/systems/system_list.h"
#include "runners/text/prompt_encoder.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kPrompts = {"a small red circle moving left slowly on black",
                                           "a large blue star circling fast on white",
                                           "a small pink ring pulsing slowly on gray"};

class RunFolder : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    weights_ = new TempDir;
    WriteTinyShapesWeights(weights_->path().string());
    SystemOptions options;
    options.weights = weights_->path().string();
    options.steps = 12;
    system_ = LoadSystem("shapes", options).release();
  }
  static void TearDownTestSuite() {
    delete system_;
    delete weights_;
  }

  GenerateOptions Generate(const std::string& name) const {
    GenerateOptions options;
    options.prompts = kPrompts;
    options.out = folder_ / name;
    return options;
  }
  GenerateOptions TeaCache(const std::string& name, double threshold) const {
    GenerateOptions options = Generate(name);
    teacache::TeaCache policy;
    policy.threshold = threshold;
    policy.polynomial = Polynomial({1, 0});
    options.policy = policy;
    return options;
  }
  RecordOptions Record(const std::string& name) const {
    RecordOptions options;
    options.prompts = kPrompts;
    options.out = folder_ / name;
    return options;
  }
  // name -> bytes of the videos.
  std::map<std::string, std::string> Videos(const std::string& name) const {
    std::map<std::string, std::string> videos;
    for (const std::string& file : ListFolder(folder_ / (name + "/videos"))) {
      videos[file] = ReadFile(folder_ / (name + "/videos/" + file));
    }
    return videos;
  }
  static TempDir* weights_;
  static System* system_;
  TempDir folder_;
};
TempDir* RunFolder::weights_ = nullptr;
System* RunFolder::system_ = nullptr;

void ExpectSameRows(const std::vector<TraceRow>& actual, const std::vector<TraceRow>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].prompt, expected[i].prompt);
    EXPECT_EQ(actual[i].seed, expected[i].seed);
    EXPECT_EQ(actual[i].call, expected[i].call);
    for (const auto part : {&TraceRow::mod, &TraceRow::res, &TraceRow::out}) {
      EXPECT_EQ((actual[i].*part).diff_l1, (expected[i].*part).diff_l1) << i;
      EXPECT_EQ((actual[i].*part).prev_l1, (expected[i].*part).prev_l1) << i;
      EXPECT_EQ((actual[i].*part).n, (expected[i].*part).n) << i;
    }
  }
}

TEST_F(RunFolder, HoldsVideosRunAndTiming) {
  GenerateOptions options = Generate("run");
  options.seeds = {0, 3};
  options.record = true;
  options.argv = {"generate-videos", "--record"};
  const GenerateSummary summary = GenerateVideos(*system_, options);
  EXPECT_EQ(summary.done, 6);
  EXPECT_EQ(summary.resumed, 0);
  EXPECT_EQ(summary.total, 6);
  EXPECT_FALSE(summary.interrupted);
  EXPECT_THAT(summary.shortened, IsEmpty());
  ASSERT_EQ(summary.videos.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    const VideoTiming& timing = summary.videos[i];
    EXPECT_EQ(timing.prompt, kPrompts[i / 2]);
    EXPECT_EQ(timing.seed, i % 2 == 0 ? 0 : 3);
    EXPECT_EQ(timing.file, "videos/" + timing.prompt + "-" + std::to_string(timing.seed) + ".mp4");
    EXPECT_EQ(std::count(timing.computed.begin(), timing.computed.end(), true), 12);
    EXPECT_GT(timing.total_seconds, timing.transformer_seconds);
  }
  const Video video = ReadVideo(folder_ / ("run/" + summary.videos[3].file));
  EXPECT_EQ(video.frames.size(), 16u);
  EXPECT_EQ(video.fps, 8);
  const auto run = nlohmann::json::parse(ReadFile(folder_ / "run/run.json"));
  EXPECT_EQ(run.at("model"), "shapes");
  EXPECT_EQ(run.at("steps"), 12);
  EXPECT_EQ(run.at("prompts").size(), 3u);
  EXPECT_EQ(run.at("argv").size(), 2u);
  EXPECT_EQ(run.at("weights_sha256"), system_->info().weights_digest);
  EXPECT_EQ(ReadJournal(folder_ / "run/timing.jsonl").entries.size(), 6u);
  const Trace trace = ReadTrace(folder_ / "run/trace.jsonl");
  EXPECT_EQ(trace.rows.size(), 6u * 12);
  EXPECT_EQ(trace.header.model, "shapes");
}

// A run folder of version 0.1.0 (tests/golden/compat), whose settings know no digest of a decoder.
TEST_F(RunFolder, OfVersion010IsRefusedInOneLine) {
  MakeFolders(folder_ / "run");
  for (const char* file : {"run.json", "timing.jsonl"}) {
    fs::copy_file(SourceDir() + "/tests/golden/compat/" + file,
                  folder_ / ("run/" + std::string(file)));
  }
  const std::string before = ReadFile(folder_ / "run/run.json");
  const std::string error = ErrorOf([&] { GenerateVideos(*system_, TeaCache("run", 0.25)); });
  EXPECT_THAT(error,
              AllOf(HasSubstr("timing.jsonl"),
                    HasSubstr("must be of the same settings to go on but "),
                    ::testing::Not(HasSubstr("\n"))));
  EXPECT_EQ(ReadFile(folder_ / "run/run.json"), before);
}

TEST_F(RunFolder, Threshold0EqualsUncachedBitForBit) {
  GenerateVideos(*system_, Generate("none"));
  const GenerateSummary zero = GenerateVideos(*system_, TeaCache("zero", 0));
  EXPECT_EQ(Videos("zero"), Videos("none"));
  for (const VideoTiming& timing : zero.videos) {
    EXPECT_EQ(std::count(timing.computed.begin(), timing.computed.end(), true), 12);
  }
  // A threshold that skips does change them, so the comparison can fail.
  const GenerateSummary some = GenerateVideos(*system_, TeaCache("some", 0.5));
  EXPECT_LT(std::count(some.videos[0].computed.begin(), some.videos[0].computed.end(), true), 12);
  EXPECT_NE(Videos("some"), Videos("none"));
}

// The latent too, not only what is left after the video codec.
TEST_F(RunFolder, Threshold0EqualsUncachedInTheLatent) {
  for (const int64_t seed : {0, 1}) {
    const auto latent = [&](const CachePolicy& policy, bool record) {
      SampleOptions options;
      options.record = record;
      return GenerateVideo(*system_, policy, kPrompts[1], seed, options).sample.latent;
    };
    const at::Tensor uncached = latent(*MakeNoCachePolicy(), false);
    for (const double slope : {1.0, -1.0}) {
      const auto policy = MakeTeaCachePolicy({0, Polynomial({slope, 0})});
      EXPECT_TRUE(at::equal(latent(*policy, false), uncached));
    }
    EXPECT_TRUE(at::equal(latent(*MakeNoCachePolicy(), true), uncached));
    EXPECT_TRUE(at::equal(latent(*MakeMaskPolicy(std::vector<bool>(12, true)), false), uncached));
    EXPECT_FALSE(at::equal(latent(*MakeUniformPolicy(4), false), uncached));
  }
}

TEST_F(RunFolder, JobsDoNotChangeABit) {
  GenerateOptions one = TeaCache("one", 0.3);
  one.record = true;
  one.seeds = {0, 1};
  GenerateVideos(*system_, one);
  GenerateOptions three = one;
  three.out = folder_ / "three";
  three.jobs = 3;
  GenerateVideos(*system_, three);
  EXPECT_EQ(Videos("three"), Videos("one"));
  ExpectSameRows(ReadTrace(folder_ / "three/trace.jsonl").rows,
                 ReadTrace(folder_ / "one/trace.jsonl").rows);
}

TEST_F(RunFolder, RunningAgainKeepsAndFillsUp) {
  GenerateOptions options = Generate("run");
  options.prompts.resize(2);
  GenerateVideos(*system_, options);
  const std::string first = folder_ / ("run/videos/" + kPrompts[0] + "-0.mp4");
  const std::string second = folder_ / ("run/videos/" + kPrompts[1] + "-0.mp4");
  const auto before = fs::last_write_time(first);
  const std::string bytes = ReadFile(second);
  fs::remove(second);  // lost: made again
  options.prompts = kPrompts;
  const GenerateSummary again = GenerateVideos(*system_, options);
  EXPECT_EQ(again.resumed, 1);
  EXPECT_EQ(again.done, 2);
  EXPECT_EQ(fs::last_write_time(first), before);
  EXPECT_EQ(ReadFile(second), bytes);
  const GenerateSummary nothing = GenerateVideos(*system_, options);
  EXPECT_EQ(nothing.done, 0);
  EXPECT_EQ(nothing.resumed, 3);
  EXPECT_EQ(nothing.videos.size(), 3u);
}

// Emptied, cut, or with other bytes of the same number: all are made again, to the same bytes.
TEST_F(RunFolder, AFinishedVideoThatChangedIsMadeAgain) {
  const GenerateOptions options = Generate("run");
  GenerateVideos(*system_, options);
  const auto before = Videos("run");
  const auto path = [&](int i) { return folder_ / ("run/videos/" + kPrompts[i] + "-0.mp4"); };
  fs::resize_file(path(0), 0);
  std::string bytes = ReadFile(path(1));
  fs::resize_file(path(1), bytes.size() / 2);
  bytes = ReadFile(path(2));
  bytes[bytes.size() / 2] ^= 1;
  AtomicWriteFile(path(2), std::string_view(bytes));
  EXPECT_EQ(GenerateVideos(*system_, options).done, 3);
  EXPECT_EQ(Videos("run"), before);
  EXPECT_EQ(GenerateVideos(*system_, options).resumed, 3);
}

TEST_F(RunFolder, AMissingTraceIsMadeAgain) {
  GenerateOptions options = Generate("run");
  options.record = true;
  GenerateVideos(*system_, options);
  const Trace before = ReadTrace(folder_ / "run/trace.jsonl");
  fs::remove(folder_ / "run/trace.jsonl");
  EXPECT_EQ(GenerateVideos(*system_, options).done, 3);
  ExpectSameRows(ReadTrace(folder_ / "run/trace.jsonl").rows, before.rows);
  EXPECT_EQ(GenerateVideos(*system_, options).resumed, 3);
}

TEST_F(RunFolder, OtherSettingsAreRefused) {
  GenerateVideos(*system_, TeaCache("run", 0.1));
  const auto videos = Videos("run");
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, TeaCache("run", 0.2)); }),
              AllOf(HasSubstr("timing.jsonl"), HasSubstr("policy")));
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, Generate("run")); }), HasSubstr("policy"));
  EXPECT_EQ(Videos("run"), videos);
  // What run.json says is still how the videos were made.
  const auto run = nlohmann::json::parse(ReadFile(folder_ / "run/run.json"));
  EXPECT_EQ(run.at("policy").at("threshold"), 0.1);
}

TEST_F(RunFolder, ShardsMakeTheWhole) {
  GenerateOptions options = Generate("whole");
  options.seeds = {0, 1};
  GenerateVideos(*system_, options);
  options.out = folder_ / "parts";
  int total = 0;
  for (int i = 0; i < 2; ++i) {
    options.shard = {i, 2, "--shard"};
    total += GenerateVideos(*system_, options).done;
  }
  EXPECT_EQ(total, 6);
  EXPECT_EQ(Videos("parts"), Videos("whole"));
}

TEST_F(RunFolder, MistakesAreSaidBeforeAnyWork) {
  GenerateOptions options = Generate("run");
  options.prompts.push_back("a small red dog moving left slowly on black");
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, options); }),
              AllOf(HasSubstr("'dog'"), HasSubstr("circle|square")));
  options.prompts = {kPrompts[0], kPrompts[1], kPrompts[0]};
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, options); }), HasSubstr("1 and 3"));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  AtomicWriteFile(folder_ / "file", "x");
  options = Generate("file/run");
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, options); }), HasSubstr("file/run"));
}

TEST_F(RunFolder, CodecsAndPolicies) {
  GenerateOptions options = Generate("lossless");
  options.prompts = {kPrompts[1]};
  options.video.codec = VideoWriterOptions::Codec::kFfv1;
  GenerateVideos(*system_, options);
  const Video lossless = ReadVideo(folder_ / ("lossless/videos/" + kPrompts[1] + "-0.mkv"));
  const auto policy = MakeNoCachePolicy();
  const Video made = GenerateVideo(*system_, *policy, kPrompts[1], 0).video;
  for (int t = 0; t < 16; ++t) EXPECT_EQ(lossless.frames[t].rgb, made.frames[t].rgb);
  options = Generate("uniform");
  options.policy = UniformSkipping{5};
  for (const VideoTiming& timing : GenerateVideos(*system_, options).videos) {
    EXPECT_EQ(timing.computed, UniformMask(12, 5));
  }
  // What skipped calls get decides about pixels too.
  options.forecast = 1;
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, options); }), HasSubstr("forecast"));
  options.out = folder_ / "uniform-linear";
  EXPECT_EQ(GenerateVideos(*system_, options).done, 3);
  EXPECT_NE(Videos("uniform"), Videos("uniform-linear"));
  EXPECT_THAT(ReadFile(folder_ / "uniform-linear/run.json"), HasSubstr("\"forecast\": 1"));
}

TEST_F(RunFolder, RecordsTraces) {
  RecordOptions options = Record("trace.jsonl");
  options.lookback = 4;
  const RecordSummary summary = RecordDiffs(*system_, options);
  EXPECT_EQ(summary.done, 3);
  EXPECT_EQ(summary.path, folder_ / "trace.jsonl");
  const Trace trace = ReadTrace(summary.path);
  EXPECT_THAT(trace.warnings, IsEmpty());
  EXPECT_EQ(trace.header.steps, 12);
  EXPECT_EQ(trace.header.calls, 12);
  EXPECT_EQ(trace.header.scheduler, "rflow");
  EXPECT_EQ(trace.header.guidance, 2);
  EXPECT_EQ(trace.header.frames, 16);
  EXPECT_EQ(trace.header.modulated, "input");
  ASSERT_EQ(trace.rows.size(), 36u);
  for (const TraceRow& row : trace.rows) {
    EXPECT_EQ(row.branch, "batched");
    EXPECT_NEAR(row.timestep, 1000 * (1 - row.call / 12.0), 1e-3);
    EXPECT_EQ(row.mod.measured(), row.call > 0);
    EXPECT_EQ(row.lookback.size(), static_cast<size_t>(std::clamp(row.call - 1, 0, 3)));
    if (row.call > 0) {
      // Two guidance halves of 8 x 4 tokens of 32 numbers.
      EXPECT_EQ(row.mod.n, 2 * 8 * 4 * 32);
      EXPECT_EQ(row.res.n, row.mod.n);
      EXPECT_GT(row.res.Ratio(), 0);
    }
    EXPECT_GE(row.ms_blocks, 0);
  }
}

TEST_F(RunFolder, RecordingGoesOnAndShards) {
  RecordOptions options = Record("whole.jsonl");
  options.seeds = {0, 1};
  RecordDiffs(*system_, options);
  const Trace whole = ReadTrace(folder_ / "whole.jsonl");
  // With several jobs, and cut in the middle of a run.
  options.out = folder_ / "cut.jsonl";
  options.jobs = 3;
  RecordDiffs(*system_, options);
  ExpectSameRows(ReadTrace(options.out).rows, whole.rows);
  fs::resize_file(options.out, fs::file_size(options.out) * 2 / 3);
  const RecordSummary summary = RecordDiffs(*system_, options);
  EXPECT_GT(summary.resumed, 0);
  EXPECT_EQ(summary.resumed + summary.done, 6);
  EXPECT_LT(summary.done, 6);
  ExpectSameRows(ReadTrace(options.out).rows, whole.rows);
  // Parts of the runs, merged.
  options.out = folder_ / "part.jsonl";
  std::vector<Trace> parts;
  for (int i = 0; i < 2; ++i) {
    options.shard = {i, 2, "--shard"};
    const RecordSummary part = RecordDiffs(*system_, options);
    EXPECT_EQ(part.done, 3);
    EXPECT_EQ(part.path, folder_ / ("part.part-" + std::to_string(i) + "-of-2.jsonl"));
    parts.push_back(ReadTrace(part.path));
    EXPECT_EQ(parts.back().header.part, i);
    EXPECT_EQ(parts.back().header.parts, 2);
  }
  const Trace merged = MergeTraces(parts, {"part 0", "part 1"});
  EXPECT_THAT(merged.warnings, IsEmpty());
  EXPECT_EQ(merged.rows.size(), whole.rows.size());
  // A part that is missing is said.
  EXPECT_FALSE(MergeTraces({parts[0]}, {"part 0"}).warnings.empty());
}

TEST_F(RunFolder, TracesOfOtherSettingsAreRefused) {
  RecordDiffs(*system_, Record("trace.jsonl"));
  SystemOptions other;
  other.weights = weights_->path().string();
  other.steps = 10;
  const std::string before = ReadFile(folder_ / "trace.jsonl");
  EXPECT_THAT(ErrorOf([&] { RecordDiffs(*LoadSystem("shapes", other), Record("trace.jsonl")); }),
              AllOf(HasSubstr("trace.jsonl"), HasSubstr("steps")));
  EXPECT_EQ(ReadFile(folder_ / "trace.jsonl"), before);
}

// A system without memory for the second prompt.
class Broken : public System {
 public:
  explicit Broken(const System& system) : system_(system) {}
  const SystemInfo& info() const override { return system_.info(); }
  void CheckPrompt(const std::string& prompt) const override { system_.CheckPrompt(prompt); }
  std::unique_ptr<DenoisingRun> Begin(const std::string& prompt) const override {
    if (prompt == kPrompts[1]) throw std::bad_alloc();
    return system_.Begin(prompt);
  }
  std::unique_ptr<Scheduler> MakeScheduler() const override { return system_.MakeScheduler(); }
  at::Tensor Noise(int64_t seed) const override { return system_.Noise(seed); }
  Video Decode(const at::Tensor& latent) const override { return system_.Decode(latent); }

 private:
  const System& system_;
};

TEST_F(RunFolder, AVideoThatCannotBeMadeDoesNotEndTheRun) {
  const GenerateOptions options = Generate("run");
  const GenerateSummary summary = GenerateVideos(Broken(*system_), options);
  EXPECT_EQ(summary.done, 2);
  EXPECT_FALSE(summary.interrupted);
  ASSERT_EQ(summary.failed.size(), 1u);
  EXPECT_EQ(summary.failed[0].name, "\"" + kPrompts[1] + "\", seed 0");
  EXPECT_EQ(summary.videos.size(), 2u);
  const GenerateSummary again = GenerateVideos(*system_, options);
  EXPECT_EQ(again.done, 1);
  EXPECT_EQ(again.resumed, 2);
  EXPECT_THAT(again.failed, IsEmpty());
  EXPECT_EQ(Videos("run").size(), 3u);
}

// A limit on the size of files, as a full disk gives it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST_F(RunFolder, FullDiskLeavesNoHalfVideo) {
  GenerateOptions options = Generate("run");
  for (const auto codec : {VideoWriterOptions::Codec::kH264, VideoWriterOptions::Codec::kFfv1}) {
    options.video.codec = codec;
    options.out = folder_ / (codec == VideoWriterOptions::Codec::kH264 ? "h264" : "ffv1");
    GenerateVideos(*system_, options);
    const std::string name = fs::path(options.out).filename().string();
    size_t smallest = SIZE_MAX;
    for (const auto& [file, bytes] : Videos(name)) smallest = std::min(smallest, bytes.size());
    fs::remove_all(options.out);
    {
      const FileSizeLimit limit(smallest - 100);
      const GenerateSummary summary = GenerateVideos(*system_, options);
      EXPECT_EQ(summary.failed.size(), 3u);
      for (const FailedItem& item : summary.failed) EXPECT_THAT(item.error, HasSubstr("written"));
    }
    for (const auto& entry : fs::directory_iterator(options.out + "/videos")) {
      ADD_FAILURE() << "left behind: " << entry.path();
    }
    EXPECT_EQ(GenerateVideos(*system_, options).done, 3);
  }
}

TEST_F(RunFolder, ARunThatFailsIsRecordedNextTime) {
  const RecordSummary summary = RecordDiffs(Broken(*system_), Record("trace.jsonl"));
  EXPECT_EQ(summary.done, 2);
  ASSERT_EQ(summary.failed.size(), 1u);
  EXPECT_EQ(summary.failed[0].index, 1u);
  EXPECT_FALSE(summary.interrupted);
  const RecordSummary again = RecordDiffs(*system_, Record("trace.jsonl"));
  EXPECT_EQ(again.done, 1);
  EXPECT_EQ(again.resumed, 2);
}

TEST_F(RunFolder, OptionsOfCheckpointsAreNotForTheSmallModel) {
  SystemOptions options;
  options.weights = weights_->path().string();
  options.frames = 8;
  EXPECT_THAT(ErrorOf([&] { LoadSystem("shapes", options); }),
              AllOf(HasSubstr("--frames"), HasSubstr("shapes")));
  options.frames = 0;
  options.offload = true;
  EXPECT_THAT(ErrorOf([&] { LoadSystem("shapes", options); }), HasSubstr("--offload"));
  EXPECT_THAT(ErrorOf([&] { LoadPromptEncoder("shapes", options); }), HasSubstr("text encoder"));
}

TEST_F(RunFolder, SystemsByName) {
  SystemOptions options;
  options.weights = weights_->path().string();
  EXPECT_THAT(ErrorOf([&] { LoadSystem("sora", options); }),
              AllOf(HasSubstr("--model"), HasSubstr("shapes"), HasSubstr("'sora'")));
  EXPECT_THAT(DescribeSystems(), HasSubstr("shapes: "));
  options.guidance = 1;
  const auto unguided = LoadSystem("shapes", options);
  EXPECT_EQ(unguided->info().guidance, 1);
  EXPECT_EQ(unguided->info().steps, 30);
  const auto policy = MakeNoCachePolicy();
  const at::Tensor latent = GenerateVideo(*unguided, *policy, kPrompts[0], 0).sample.latent;
  EXPECT_EQ(latent.sizes(), at::IntArrayRef({1, 4, 16, 2, 2}));
  const std::vector<std::string> demo = unguided->DemoPrompts(20);
  EXPECT_EQ(demo.size(), 20u);
  EXPECT_NO_THROW(for (const std::string& prompt : demo) unguided->CheckPrompt(prompt));
  EXPECT_EQ(unguided->DemoPrompts(5), std::vector<std::string>(demo.begin(), demo.begin() + 5));
}

TEST_F(RunFolder, NumbersThatMakeNoSense) {
  SystemOptions options;
  options.weights = weights_->path().string();
  options.steps = -5;
  EXPECT_THAT(ErrorOf([&] { LoadSystem("shapes", options); }), HasSubstr("steps"));
  options.steps = 0;
  options.guidance = std::nan("");
  EXPECT_THAT(ErrorOf([&] { LoadSystem("shapes", options); }), HasSubstr("guidance"));
  GenerateOptions generate = Generate("run");
  generate.threads = 0;
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, generate); }), HasSubstr("threads"));
  generate.threads = 1;
  generate.jobs = 0;
  EXPECT_THAT(ErrorOf([&] { GenerateVideos(*system_, generate); }), HasSubstr("jobs"));
}

}  // namespace
}  // namespace teacache
