// What users get wrong: one clear line on stderr, exit code 2, nothing half done.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "datasets/base/files.h"
#include "datasets/base/version.h"
#include "tests/e2e/programs.h"
#include "tests/support/paths.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Arguments = std::vector<std::string>;

class MistakesTest : public ProgramTest {
 protected:
  // A call that would work, with more arguments (later ones win nothing: they must be new).
  ProcessResult Generate(const Arguments& more) const {
    Arguments arguments = {"--weights", Weights(), "--steps", "4", "--out", folder_ / "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool("generate-videos", arguments);
  }
  ProcessResult Record(const Arguments& more) const {
    Arguments arguments = {"--weights", Weights(), "--steps", "4", "--out", folder_ / "t.jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool("record-diffs", arguments);
  }
  std::string coeffs() const {
    AtomicWriteFile(folder_ / "c.json",
                    R"({"format": "teacache-coefficients", "version": 1, "coefficients": [1, 0]})");
    return folder_ / "c.json";
  }
  const std::string prompt_ = kShapesPrompts[0];
};

TEST(Programs, HelpExplains) {
  for (const std::string& program : kAllPrograms) {
    const ProcessResult result = RunTool(program, {"--help"});
    EXPECT_EQ(result.exit_code, 0) << program;
    EXPECT_EQ(result.err, "") << program;
    EXPECT_THAT(result.out, HasSubstr("Usage: " + program)) << program;
    EXPECT_THAT(result.out, HasSubstr("--out")) << program;
  }
}

TEST(Programs, AllSayTheSameVersion) {
  for (const std::string& program : kAllPrograms) {
    const ProcessResult result = RunTool(program, {"--version"});
    EXPECT_EQ(result.exit_code, 0) << program;
    EXPECT_EQ(result.out, std::string(kVersion) + "\n") << program;
  }
}

TEST(Programs, MistypedFlagsGetASuggestion) {
  EXPECT_THAT(RunTool("generate-videos", {"--out", "x", "--treshold", "0.1"}).err,
              HasSubstr("did you mean --threshold?"));
  EXPECT_THAT(RunTool("eval-metrics", {"--metric=psnr"}).err, HasSubstr("did you mean --metrics?"));
  EXPECT_THAT(RunTool("eval-metrics", {"--completely-other"}).err, Not(HasSubstr("did you mean")));
}

TEST(Programs, UnknownFlagsAreMistakes) {
  for (const std::string& program : kAllPrograms) {
    const ProcessResult result = RunTool(program, {"--no-such-flag"});
    EXPECT_EQ(result.exit_code, 2) << program;
    EXPECT_EQ(result.out, "") << program;
    EXPECT_NE(result.err, "") << program;
  }
}

TEST(Programs, OutputThatIsLostIsAnError) {
  for (const std::string& program : kAllPrograms) {
    for (const char* flag : {"--help", "--version"}) {
      const ProcessResult fine = RunTool(program, {flag});
      if (fine.exit_code != 0) continue;  // not every program has --version
      for (const char* lost : {"> /dev/full", ">&-"}) {
        const std::string path = BinDir() + "/" + program;
        const ProcessResult result = RunProcess({"/bin/sh", "-c", path + " " + flag + " " + lost});
        EXPECT_EQ(result.exit_code, 1) << program << " " << flag << " " << lost;
        EXPECT_THAT(result.err, HasSubstr(program + ": standard output cannot be written"));
      }
    }
  }
}

// A folder of the user's where a file is to be written stays, and is refused before any work.
TEST_F(MistakesTest, AFolderIsNoOutputFile) {
  MakeFolders(folder_ / "G");
  AtomicWriteFile(folder_ / "G/mine", "mine");
  AtomicWriteFile(folder_ / "pairs.csv", "x,y\n0.1,0.2\n0.2,0.3\n0.3,0.5\n");
  const std::string pairs = folder_ / "pairs.csv", bytes = ReadFile(pairs);
  const Arguments model = {"--weights", Weights(), "--steps", "4", "--prompt", prompt_};
  const auto refused = [&](const std::string& program, Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    ExpectMistake(RunTool(program, arguments), {more[0], "must be a file but"});
  };
  refused("record-diffs", model, {"--out", folder_ / "G"});
  for (const char* flag : {"--out", "--report", "--json"}) {
    refused("fit-coeffs", {pairs}, {flag, folder_ / "G"});
    ExpectMistake(RunTool("fit-coeffs", {pairs, flag, pairs}), {flag, "must be no input"});
    ExpectMistake(RunTool("fit-coeffs", {pairs, flag, "/proc/x"}), {flag, "cannot be written"});
  }
  MakeFolders(folder_ / "emitted/sglang.json");
  ExpectMistake(
      RunTool("fit-coeffs",
              {pairs, "--threshold", "0.1", "--emit", "sglang", "--emit-dir", folder_ / "emitted"}),
      {"--emit sglang", "must be a file but"});
  MakeFolders(folder_ / ("out/videos/" + prompt_ + "-0.mp4/mine"));
  ExpectMistake(Generate({"--prompt", prompt_}), {prompt_, "must be a file but"});
  ExpectMistake(Record({"--prompt", prompt_, "--prompt-embeddings", folder_ / "t.jsonl"}),
                {"--out", "must be no input"});
  EXPECT_EQ(ReadFile(folder_ / "G/mine"), "mine");
  EXPECT_EQ(ReadFile(pairs), bytes);
  EXPECT_TRUE(fs::is_directory(folder_ / ("out/videos/" + prompt_ + "-0.mp4/mine")));
}

TEST_F(MistakesTest, UnknownWordInAPrompt) {
  const std::string wrong = "a small red dog moving left slowly on black";
  ExpectMistake(Generate({"--prompt", prompt_, "--prompt", wrong}),
                {"generate-videos: ", "unknown word 'dog'", "circle|square|triangle|star|cross"});
  ExpectMistake(Record({"--prompts", WritePrompts("p.txt", {prompt_, wrong})}),
                {"record-diffs: ", "unknown word 'dog'"});
  const ProcessResult sweep = RunTool("sweep-report",
                                      {"--weights",
                                       Weights(),
                                       "--out",
                                       folder_ / "sweep",
                                       "--prompts",
                                       WritePrompts("p.txt", {wrong})});
  EXPECT_EQ(sweep.exit_code, 2);
  // A note that LPIPS is left out may come first.
  EXPECT_LE(sweep.ErrLines().size(), 2u) << sweep.err;
  EXPECT_THAT(sweep.ErrLines().back(), HasSubstr("unknown word 'dog'"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_FALSE(fs::exists(folder_ / "t.jsonl"));
}

TEST_F(MistakesTest, Thresholds) {
  const Arguments base = {"--prompt", prompt_, "--cache", "teacache", "--coeffs", coeffs()};
  for (const std::string threshold : {"-1", "nan", "inf", "-inf", "-0.0001"}) {
    Arguments arguments = base;
    arguments.push_back("--threshold=" + threshold);
    ExpectMistake(Generate(arguments), {"threshold"});
    ExpectMistake(
        RunTool(
            "sweep-report",
            {"--weights", Weights(), "--out", folder_ / "sweep", "--thresholds=0.1," + threshold}),
        {"--thresholds"});
  }
  Arguments arguments = base;
  arguments.insert(arguments.end(), {"--threshold", "abc"});
  ExpectMistake(Generate(arguments), {"--threshold", "abc"});
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(MistakesTest, APromptTwice) {
  ExpectMistake(Generate({"--prompt", prompt_, "--prompt", prompt_}), {prompt_, "1 and 2"});
  AtomicWriteFile(folder_ / "p.txt", prompt_ + "\n# x\n\n" + prompt_ + "\n");
  ExpectMistake(Generate({"--prompts", folder_ / "p.txt"}), {"p.txt", prompt_, "lines 1 and 4"});
  ExpectMistake(Record({"--prompts", folder_ / "p.txt"}), {"p.txt", "lines 1 and 4"});
  ExpectMistake(Generate({"--prompt", prompt_, "--seeds", "0-2,1"}), {"--seeds", "seed 1"});
}

TEST_F(MistakesTest, MissingAndDamagedWeights) {
  const auto generate = [&](const std::string& weights) {
    return RunTool("generate-videos",
                   {"--weights", weights, "--prompt", prompt_, "--out", folder_ / "out"});
  };
  ExpectMistake(generate(folder_ / "absent"), {"absent", "transformer.safetensors"});
  for (const auto& [name, bytes] : FilesIn(Weights())) AtomicWriteFile(folder_ / name, bytes);
  std::string bytes = ReadFile(folder_ / "transformer.safetensors");
  bytes[bytes.size() / 2] ^= 4;
  AtomicWriteFile(folder_ / "transformer.safetensors", bytes);
  ExpectMistake(generate(folder_.path().string()),
                {"transformer.safetensors", "damaged", "sha256"});
  fs::remove(folder_ / "autoencoder.safetensors");
  ExpectMistake(generate(folder_.path().string()), {"autoencoder.safetensors", "missing"});
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

// Below a file nothing can be written, not even by root.
TEST_F(MistakesTest, UnwritableOutput) {
  AtomicWriteFile(folder_ / "file", "x");
  const auto below = [&](const std::string& name) { return folder_ / ("file/" + name); };
  const Arguments model = {"--weights", Weights(), "--steps", "4", "--prompt", prompt_};
  const auto with_out = [&](Arguments arguments, const std::string& out) {
    arguments.insert(arguments.end(), {"--out", out});
    return arguments;
  };
  ExpectMistake(RunTool("generate-videos", with_out(model, below("run"))), {"file"});
  ExpectMistake(RunTool("record-diffs", with_out(model, below("t.jsonl"))), {"file"});
  ExpectMistake(RunTool("train-shapes", {"--work", below("work"), "--out", below("w")}), {"file"});
  const ProcessResult sweep =
      RunTool("sweep-report", {"--weights", Weights(), "--out", below("sweep")});
  EXPECT_EQ(sweep.exit_code, 2);
  EXPECT_LE(sweep.ErrLines().size(), 2u) << sweep.err;
  EXPECT_THAT(sweep.ErrLines().back(), HasSubstr(below("sweep")));
}

TEST_F(MistakesTest, UnknownModelDeviceDtypeAndPolicy) {
  ExpectMistake(Generate({"--prompt", prompt_, "--model", "sora"}), {"--model", "shapes", "sora"});
  ExpectMistake(Generate({"--prompt", prompt_, "--device", "tpu"}), {"--device", "cpu", "tpu"});
  ExpectMistake(Generate({"--prompt", prompt_, "--device", "cuda:999"}), {"--device", "cuda:999"});
  ExpectMistake(Generate({"--prompt", prompt_, "--dtype", "int8"}), {"--dtype", "bfloat16"});
  ExpectMistake(Generate({"--prompt", prompt_, "--cache", "magic"}), {"--cache", "teacache"});
  ExpectMistake(Generate({"--prompt", prompt_, "--cache", "teacache"}), {"--coeffs"});
  ExpectMistake(Generate({"--prompt", prompt_, "--cache", "mask", "--mask", "CCC"}),
                {"--mask", "4 calls"});
  ExpectMistake(Generate({"--prompt", prompt_, "--cache", "uniform", "--computed-calls", "5"}),
                {"--computed-calls", "1 to 4"});
  ExpectMistake(
      RunTool("train-shapes", {"--work", folder_ / "w", "--out", folder_ / "o", "--device", "tpu"}),
      {"--device", "tpu"});
  ExpectMistake(
      RunTool(
          "eval-metrics",
          {"--gt", folder_.path().string(), "--gen", folder_.path().string(), "--device", "tpu"}),
      {"--device", "tpu"});
  // Where there is no CUDA, and where there is: no machine has so many.
  for (const char* device : {"cuda:999", "cuda:256"}) {
    ExpectMistake(RunTool("eval-metrics",
                          {"--gt",
                           folder_.path().string(),
                           "--gen",
                           folder_.path().string(),
                           "--device",
                           device}),
                  {"--device", device});
  }
}

TEST_F(MistakesTest, NumbersOutOfRange) {
  ExpectMistake(Generate({"--prompt", prompt_, "--jobs", "0"}), {"--jobs"});
  ExpectMistake(Generate({"--prompt", prompt_, "--threads", "-2"}), {"--threads"});
  ExpectMistake(Generate({"--prompt", prompt_, "--guidance", "nan"}), {"--guidance"});
  ExpectMistake(Generate({"--prompt", prompt_, "--seeds", "4-2"}), {"--seeds"});
  ExpectMistake(Generate({"--prompt", prompt_, "--shard", "2/2"}), {"--shard"});
  ExpectMistake(
      RunTool(
          "generate-videos",
          {"--weights", Weights(), "--out", folder_ / "out", "--prompt", prompt_, "--steps=-3"}),
      {"steps", "-3"});
  ExpectMistake(Generate({}), {"--prompts", "--prompt"});
  ExpectMistake(Generate({"--prompt", prompt_, "--prompts", "p.txt"}), {"--prompts"});
  ExpectMistake(
      RunTool("train-shapes", {"--work", folder_ / "w", "--out", folder_ / "o", "--pool", "100"}),
      {"512"});
}

TEST_F(MistakesTest, FilesThatAreNotWhatTheyShouldBe) {
  ExpectMistake(Generate({"--prompts", folder_ / "absent.txt"}), {"absent.txt"});
  AtomicWriteFile(folder_ / "bad.json", "{\"coefficients\": \"many\"}");
  ExpectMistake(
      Generate({"--prompt", prompt_, "--cache", "teacache", "--coeffs", folder_ / "bad.json"}),
      {"bad.json"});
  AtomicWriteFile(folder_ / "bad.jsonl", "{\"format\": \"teacache-trace\"\n{}\n");
  ExpectMistake(RunTool("fit-coeffs", {folder_ / "bad.jsonl"}), {"bad.jsonl"});
  ExpectMistake(RunTool("fit-coeffs", {folder_ / "absent.jsonl"}), {"absent.jsonl"});
  ExpectMistake(
      RunTool("eval-metrics",
              {"--gt", folder_ / "absent", "--gen", folder_ / "absent", "--metrics", "psnr"}),
      {"absent"});
}

// A folder that was filled with other settings stays what it is.
TEST_F(MistakesTest, AFolderOfOtherSettings) {
  ASSERT_EQ(Generate({"--prompt", prompt_}).exit_code, 0);
  const auto before = FilesIn(folder_ / "out");
  ExpectMistake(Generate({"--prompt", prompt_, "--guidance", "3"}), {"timing.jsonl", "guidance"});
  EXPECT_EQ(FilesIn(folder_ / "out"), before);
  ASSERT_EQ(Record({"--prompt", prompt_}).exit_code, 0);
  const std::string trace = ReadFile(folder_ / "t.jsonl");
  ExpectMistake(Record({"--prompt", prompt_, "--guidance", "3"}), {"t.jsonl", "guidance"});
  EXPECT_EQ(ReadFile(folder_ / "t.jsonl"), trace);
}

}  // namespace
}  // namespace teacache
