// The systems of published checkpoints as their users run them, on tiny random weights in the real
// layout: prompts encoded once, full runs recorded, coefficients fitted and used, videos made with
// and without cache.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "datasets/video/video.h"
#include "runners/text/prompts_file.h"
#include "tests/e2e/programs.h"
#include "tests/support/open_sora_folder.h"
#include "tests/support/paths.h"
#include "tests/support/published_folders.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Published {
  std::string model;
  std::function<void(const fs::path&)> write_weights;
  std::vector<std::string> size_flags;
  int frames = 0;
  int calls = 0;  // with --steps 8
};

void PrintTo(const Published& published, std::ostream* out) { *out << published.model; }

const std::vector<std::string> kPrompts = {"A cat walking on the beach, 4k.",
                                           "Two dogs & a <b>robot</b>"};

class PublishedSystem : public ::testing::TestWithParam<Published> {
 protected:
  PublishedSystem() {
    GetParam().write_weights(folder_ / "weights");
    AtomicWriteFile(folder_ / "prompts.txt", kPrompts[0] + "\n" + kPrompts[1] + "\n");
  }

  // Runs `program` for the model with its weights and size.
  ProcessResult Run(const std::string& program, std::vector<std::string> arguments) const {
    std::vector<std::string> all = {"--model", GetParam().model, "--weights", folder_ / "weights"};
    if (program != "encode-prompts") {
      all.insert(all.end(), {"--steps", "8"});
      all.insert(all.end(), GetParam().size_flags.begin(), GetParam().size_flags.end());
    }
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunTool(program, all);
  }
  void Expect0(const std::string& program, const std::vector<std::string>& arguments) const {
    const ProcessResult result = Run(program, arguments);
    ASSERT_EQ(result.exit_code, 0) << program << ": " << result.err << result.out;
  }
  std::string Calls(const std::string& run) const {
    const JournalContents journal = ReadJournal(folder_ / (run + "/timing.jsonl"));
    JsonDocument document(run);
    return journal.Parse(0, &document).At("calls").String();
  }

  TempDir folder_;
};

TEST_P(PublishedSystem, RecordFitGenerate) {
  const std::string prompts = folder_ / "prompts.txt";
  Expect0("record-diffs", {"--prompts", prompts, "--out", folder_ / "trace.jsonl"});
  const ProcessResult fit = RunTool("fit-coeffs",
                                    {folder_ / "trace.jsonl",
                                     "--degree",
                                     "1",
                                     "--allow-worse-degree",
                                     "--bootstrap",
                                     "20",
                                     "--out",
                                     folder_ / "coeffs.json"});
  ASSERT_EQ(fit.exit_code, 0) << fit.err;
  Expect0("generate-videos", {"--prompts", prompts, "--seeds", "0-1", "--out", folder_ / "full"});
  EXPECT_EQ(Calls("full"), std::string(GetParam().calls, 'C'));
  for (const std::string& prompt : kPrompts) {
    for (const int seed : {0, 1}) {
      if (prompt.find('/') != std::string::npos) continue;
      const Video video = ReadVideo(folder_ / fmt::format("full/videos/{}-{}.mp4", prompt, seed));
      EXPECT_EQ(video.frames.size(), static_cast<size_t>(GetParam().frames));
    }
  }
  Expect0("generate-videos",
          {"--prompts",
           prompts,
           "--cache",
           "teacache",
           "--threshold",
           "1000",
           "--coeffs",
           folder_ / "coeffs.json",
           "--out",
           folder_ / "fitted"});
  EXPECT_THAT(Calls("fitted"), HasSubstr("S"));
  // The published coefficients, as the reference runs.
  Expect0("generate-videos",
          {"--prompts",
           prompts,
           "--cache",
           "teacache",
           "--teacache-mode",
           "reference",
           "--threshold",
           "0.2",
           "--out",
           folder_ / "published"});
}

TEST_P(PublishedSystem, EncodedPromptsReplaceTheEncoder) {
  const std::string file = folder_ / "prompts.safetensors";
  Expect0("encode-prompts", {"--prompt", kPrompts[0], "--out", file});
  const std::string first = ReadFile(file);
  // What is there is kept, what is missing is added.
  const ProcessResult more =
      Run("encode-prompts", {"--prompts", folder_ / "prompts.txt", "--out", file});
  EXPECT_EQ(more.exit_code, 0) << more.err;
  EXPECT_THAT(more.out, HasSubstr("1 prompts encoded, 1 were there, 2 in the file"));
  EXPECT_THAT(PromptsFile::Open(file).prompts(), SizeIs(2));
  const std::string both = ReadFile(file);
  Expect0("encode-prompts", {"--prompts", folder_ / "prompts.txt", "--out", file});
  EXPECT_EQ(ReadFile(file), both);
  ExpectMistake(
      Run("encode-prompts", {"--prompt", "another", "--dtype", "bfloat16", "--out", file}),
      {"encode-prompts: ", "--dtype"});

  Expect0("generate-videos", {"--prompt", kPrompts[0], "--lossless", "--out", folder_ / "a"});
  for (const char* part : {"text_encoder", "tokenizer", "t5-v1_1-xxl"}) {
    fs::remove_all(folder_.path() / "weights" / part);
  }
  Expect0("generate-videos",
          {"--prompt",
           kPrompts[0],
           "--lossless",
           "--prompt-embeddings",
           file,
           "--offload",
           "--out",
           folder_ / "b"});
  EXPECT_EQ(FilesIn(folder_ / "a/videos"), FilesIn(folder_ / "b/videos"));
  ExpectMistake(Run("generate-videos",
                    {"--prompt", "a horse", "--prompt-embeddings", file, "--out", folder_ / "c"}),
                {"prompts.safetensors", "\"a horse\""});
}

TEST_P(PublishedSystem, PlanWithoutLoading) {
  const ProcessResult plan = Run("generate-videos",
                                 {"--prompts",
                                  folder_ / "prompts.txt",
                                  "--seeds",
                                  "0-4",
                                  "--dry-run",
                                  "--out",
                                  folder_ / "run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out,
              AllOf(HasSubstr("10 videos"),
                    HasSubstr("text encoder"),
                    HasSubstr("transformer"),
                    HasSubstr("decoder"),
                    HasSubstr("in memory")));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_P(PublishedSystem, LongPromptsAreCutWithAWarning) {
  std::string prompt = "a dog";
  for (int i = 0; i < 200; ++i) prompt += " and a dog";
  const ProcessResult result =
      Run("generate-videos", {"--prompt", prompt, "--out", folder_ / "run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("warning"), HasSubstr("is cut")));
}

TEST_P(PublishedSystem, MistakesAreNamedBeforeAnythingIsLoaded) {
  const std::vector<std::string> arguments = {"--prompt", "a cat", "--out", folder_ / "run"};
  ExpectMistake(
      RunTool("generate-videos",
              {"--model", GetParam().model, "--prompt", "a cat", "--out", folder_ / "run"}),
      {"--weights"});
  std::vector<std::string> jobs = arguments;
  jobs.insert(jobs.end(), {"--offload", "--jobs", "2"});
  ExpectMistake(Run("generate-videos", jobs), {"--offload", "--jobs 1"});
  // A file that was cut off.
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "weights")) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto size = fs::file_size(entry.path());
    const std::string bytes = ReadFile(entry.path().string());
    fs::resize_file(entry.path(), size - 4);
    ExpectMistake(Run("generate-videos", arguments), {entry.path().filename().string()});
    AtomicWriteFile(entry.path().string(), bytes);
  }
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

// 69 GB of noise where 16 GB may be used.
TEST(PublishedSystems, OutOfMemoryNamesThePart) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than a limited process has";
#endif
  const TempDir folder;
  WriteLatteFolder(folder / "weights");
  const ProcessResult result = RunProcess({"/bin/sh",
                                           "-c",
                                           "ulimit -v 16000000; exec \"$@\"",
                                           "sh",
                                           BinDir() + "/generate-videos",
                                           "--model",
                                           "latte",
                                           "--weights",
                                           folder / "weights",
                                           "--width",
                                           "262144",
                                           "--height",
                                           "262144",
                                           "--prompt",
                                           "a cat",
                                           "--out",
                                           folder / "run"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("failed: \"a cat\", seed 0: transformer: ran out of the machine's memory"),
            HasSubstr("--dtype")));
}

// The script for whoever has the published weights, on tiny random ones, which are in no band.
TEST(PublishedRun, OneRowPerSystem) {
  const TempDir folder;
  WriteLatteFolder(folder / "weights/latte");
  const auto run = [&folder](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), SourceDir() + "/tests/published/run.sh");
    ProcessOptions options;
    options.timeout_s = 300;
    return RunProcess(arguments, options);
  };
  const ProcessResult result = run({"--weights",
                                    folder / "weights",
                                    "--out",
                                    folder / "out",
                                    "--bin",
                                    BinDir(),
                                    "--device",
                                    "cpu",
                                    "--",
                                    "--steps",
                                    "8"});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.out,
              ::testing::ContainsRegex(R"(\| latte \| [0-9a-f]+ \| [0-9.]+ s \| [0-9.]+×, PSNR )"));
  EXPECT_THAT(result.out, HasSubstr("fast: SSIM"));
  EXPECT_THAT(result.out, HasSubstr("is not within 0.25 of 0.6678"));
  EXPECT_THAT(ReadFile(folder / "out/latte/digests.txt"), HasSubstr("transformer/config.json"));
  EXPECT_EQ(ReadFile(folder / "out/rows.md"), result.out);

  EXPECT_EQ(run({"--out", folder / "out"}).exit_code, 2);
  const ProcessResult nothing = run({"--weights", folder / "out/latte", "--bin", BinDir()});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("holds neither latte, open-sora nor open-sora-plan"));
}

INSTANTIATE_TEST_SUITE_P(
    All,
    PublishedSystem,
    ::testing::Values(
        Published{"latte", [](const fs::path& root) { WriteLatteFolder(root); }, {}, 4, 8},
        Published{"open-sora-plan",
                  [](const fs::path& root) { WriteOpenSoraPlanFolder(root); },
                  {},
                  17,
                  17},
        Published{"open-sora",
                  [](const fs::path& root) {
                    WriteOpenSoraFolder(root, OwnGoldenCase("opensora_vae"), OwnGoldenCase("t5"));
                  },
                  {"--width", "64", "--height", "64", "--frames", "17"},
                  17,
                  8}),
    [](const auto& test) {
      std::string name = test.param.model;
      std::erase(name, '-');
      return name;
    });

}  // namespace
}  // namespace teacache
