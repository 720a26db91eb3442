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
                    R"({"format": "teacache-coefficients", "version": 1, "coefficients": [1, 0],
                        "provenance": {"model": "shapes", "modulated": "input"}})");
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
  for (const std::string& program : kAllPrograms) {
    EXPECT_THAT(RunTool(program, {"--versoin"}).err, HasSubstr("did you mean --version?"))
        << program;
  }
  EXPECT_THAT(RunTool("sweep-report", {"render", "folder", "--out", "x", "--titel", "y"}).err,
              HasSubstr("did you mean --title?"));
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
  ExpectMistake(Generate({"--prompt", prompt_, "--mask", "CCC"}),
                {"--mask", "goes with --cache mask"});
  ExpectMistake(Generate({"--prompt", prompt_, "--cache", "interval", "--threshold", "0.1"}),
                {"--threshold", "teacache, magcache", "\"interval\""});
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

// Where a figure is not defined, and names that a terminal would obey.
TEST_F(MistakesTest, NoNanAndNoControlCharacters) {
  std::string constant = "x,y,prompt,step\n";
  for (int i = 0; i < 18; ++i) {
    constant += "0." + std::to_string(i % 6 + 1) + ",0.5,p" + std::to_string(i / 6) + "," +
                std::to_string(i % 6 + 1) + "\n";
  }
  AtomicWriteFile(folder_ / "constant.csv", constant);
  AtomicWriteFile(folder_ / "zeros.csv", "x,y\n0,0\n0,0\n1,1\n");
  MakeFolders(folder_ / "bad");
  AtomicWriteFile(folder_ / "bad/a\x1b[2J\xff.mp4", "no video");
  const std::string bad = folder_ / "bad";
  const std::vector<std::pair<std::string, Arguments>> calls = {
      {"fit-coeffs", {folder_ / "constant.csv", "--degree", "1", "--bootstrap", "20"}},
      {"fit-coeffs", {folder_ / "constant.csv", "--degree", "0", "--report", folder_ / "f.html"}},
      {"fit-coeffs", {folder_ / "zeros.csv", "--degree", "1", "--bootstrap", "20"}},
      {"fit-coeffs", {"score", "--coeffs", "0,0", folder_ / "constant.csv"}},
      {"eval-metrics", {"--gt", bad, "--gen", bad, "--metrics", "psnr,ssim"}},
      {"eval-metrics", {"--gt", bad, "--gen", bad, "--metrics", "a\x1b[2J"}},
      {"vbench-score", {"--videos", bad, "--custom", "--dimensions", "temporal_flickering"}},
      {"record-diffs", {"--out", folder_ / "o.jsonl", "--prompt", "red \x1b[2J\n\tdog"}},
      {"generate-videos", {"--out", folder_ / "o", "--coeffs", folder_ / "\x1b[2J\xff"}},
      {"sweep-report", {"render", folder_ / "\x1b[2J", "--out", folder_ / "page"}},
      {"train-shapes", {"--work", folder_ / "w", "--out", folder_ / "o", "--device", "\x1b[2J"}}};
  for (const auto& [program, arguments] : calls) {
    const ProcessResult result = RunTool(program, arguments);
    const std::string text = result.out + result.err;
    EXPECT_THAT(text, Not(testing::ContainsRegex("(^|[^a-zA-Z])nan([^a-zA-Z]|$)"))) << program;
    EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << program;
    EXPECT_THAT(text, Not(HasSubstr("\xff"))) << program;
    EXPECT_NE(text, "") << program;
  }
  ExpectMistake(Record({"--prompt", std::string(100'000, 'x')}), {"record-diffs: ", "xxx ... xxx"});
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
  // Asked for, it begins again, and then goes on.
  for (int i = 0; i < 2; ++i) {
    const ProcessResult again = Generate({"--prompt", prompt_, "--guidance", "3", "--overwrite"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr(i == 0 ? "1 videos made" : "0 videos made, 1 were there"));
    const ProcessResult recorded = Record({"--prompt", prompt_, "--guidance", "3", "--overwrite"});
    EXPECT_EQ(recorded.exit_code, 0) << recorded.err;
    EXPECT_THAT(recorded.out, HasSubstr(i == 0 ? "1 runs recorded" : "0 runs recorded"));
  }
  EXPECT_NE(FilesIn(folder_ / "out/videos"), before);
}

TEST_F(MistakesTest, ForeignFilesInARunFolder) {
  const std::string video = folder_ / ("out/videos/" + prompt_ + "-0.mp4");
  for (const std::string& path : {video, folder_ / "out/run.json", folder_ / "out/trace.jsonl"}) {
    MakeFolders(folder_ / "out/videos");
    AtomicWriteFile(path, "mine");
    for (int i = 0; i < 2; ++i) {
      ExpectMistake(Generate({"--prompt", prompt_, "--record"}),
                    {path, "not known to be made by this command", "--overwrite"});
    }
    EXPECT_EQ(ReadFile(path), "mine");
    const ProcessResult result = Generate({"--prompt", prompt_, "--record", "--overwrite"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(ReadFile(path), "mine");
    fs::remove_all(folder_ / "out");
  }
  // The other parts of the same run are no foreign files; those of another one are.
  const Arguments prompts = {"--prompts", WritePrompts("p.txt", kShapesPrompts)};
  const auto part = [&](const Arguments& more) {
    Arguments arguments = prompts;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Generate(arguments);
  };
  EXPECT_EQ(part({"--shard", "0/2"}).exit_code, 0);
  EXPECT_EQ(part({"--shard", "1/2"}).exit_code, 0);
  EXPECT_EQ(part({"--shard", "1/2"}).exit_code, 0);
  ExpectMistake(part({"--shard", "1/3", "--guidance", "3"}), {"run.json", "--overwrite"});
}

// Every output of every program: a command replaces what it made itself.
TEST_F(MistakesTest, FilesOfOtherCommandsNeedOverwrite) {
  ASSERT_EQ(Record({"--prompts", WritePrompts("p.txt", kShapesPrompts)}).exit_code, 0);
  ASSERT_EQ(Generate({"--prompt", prompt_, "--lossless"}).exit_code, 0);
  Arguments cached = {"--weights", Weights(), "--steps", "4", "--prompt", prompt_, "--lossless"};
  cached.insert(cached.end(), {"--cache", "uniform", "--computed-calls", "2"});
  cached.insert(cached.end(), {"--out", folder_ / "cached"});
  ASSERT_EQ(RunTool("generate-videos", cached).exit_code, 0);
  const std::string videos = folder_ / "out/videos";
  const Arguments fit = {folder_ / "t.jsonl", "--bootstrap", "0", "--degree", "1"};
  const Arguments scores = {"--gt", videos, "--gen", videos, "--metrics", "psnr"};
  const Arguments flicker = {"--videos", videos, "--custom", "--dimensions", "temporal_flickering"};
  const Arguments render = {"render", folder_ / "out", folder_ / "cached"};
  struct Case {
    std::string program;
    Arguments arguments;  // ends with the flag and name of the output
    std::string file;     // made by it
    Arguments other;      // makes it another command
  };
  const std::vector<Case> cases = {
      {"fit-coeffs", {"--out", "c.json"}, "c.json", {"--seed", "1"}},
      {"fit-coeffs", {"--report", "fit.html"}, "fit.html", {"--seed", "1"}},
      {"fit-coeffs", {"--json", "fit.json"}, "fit.json", {"--seed", "1"}},
      {"fit-coeffs", {"--emit", "magcache", "--emit-dir", "e"}, "e/magcache.json", {"--seed", "1"}},
      {"eval-metrics", {"--out", "r.json"}, "r.json", {"--bootstrap", "9"}},
      {"eval-metrics", {"--out", "r2.json"}, "r2.per_video.csv", {"--bootstrap", "9"}},
      {"eval-metrics", {"--csv", "r.csv"}, "r.csv", {"--bootstrap", "9"}},
      {"vbench-score", {"--out", "v"}, "v/results.json", {"--bootstrap", "9"}},
      {"vbench-score", {"--out", "v2"}, "v2/vbench_eval_results.json", {"--bootstrap", "9"}},
      {"sweep-report", {"--out", "page"}, "page/report.md", {"--title", "another"}}};
  for (const Case& test : cases) {
    const auto run = [&](const Arguments& more) {
      Arguments arguments = test.program == "fit-coeffs"     ? fit
                            : test.program == "eval-metrics" ? scores
                            : test.program == "vbench-score" ? flicker
                                                             : render;
      arguments.insert(arguments.end(), more.begin(), more.end());
      arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
      arguments.back() = folder_ / arguments.back();
      return RunTool(test.program, arguments);
    };
    const std::string file = folder_ / test.file;
    const auto expect0 = [&](const Arguments& more, const char* what) {
      const ProcessResult result = run(more);
      EXPECT_EQ(result.exit_code, 0) << file << " " << what << ": " << result.err;
    };
    MakeFolders(fs::path(file).parent_path().string());
    AtomicWriteFile(file, "mine");
    const auto refuse = [&](const Arguments& more, const char* why) {
      const std::string before = ReadFile(file);
      const ProcessResult result = run(more);
      EXPECT_EQ(result.exit_code, 2) << file;
      EXPECT_THAT(result.err, HasSubstr(why)) << file;
      EXPECT_THAT(result.err, HasSubstr("--overwrite")) << file;
      EXPECT_EQ(ReadFile(file), before);
    };
    refuse({}, "is not known to be made by this command");
    expect0({"--overwrite"}, "overwrite");
    expect0({}, "again");
    refuse(test.other, "was made by another command");
    AtomicWriteFile(file, "edited");
    refuse({}, "was changed since");
  }
  // The table of each is named after it.
  EXPECT_TRUE(fs::exists(folder_ / "r.per_video.csv"));
  MakeFolders(folder_ / "w");
  AtomicWriteFile(folder_ / "w/transformer.safetensors", "mine");
  ExpectMistake(RunTool("train-shapes", {"--work", folder_ / "work", "--out", folder_ / "w"}),
                {"transformer.safetensors", "--overwrite"});
  MakeFolders(folder_ / "sweep");
  AtomicWriteFile(folder_ / "sweep/report.html", "mine");
  ExpectMistake(RunTool("sweep-report", {"--weights", Weights(), "--out", folder_ / "sweep"}),
                {"report.html", "--overwrite"});
}

}  // namespace
}  // namespace teacache
