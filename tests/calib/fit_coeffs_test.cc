#include "calib/fit_coeffs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "calib/report/fit_report_json.h"
#include "calib/report/fit_report_text.h"
#include "datasets/base/error.h"
#include "datasets/trace/trace_writer.h"
#include "tests/support/golden.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A trace whose residual follows y = 0.05 + 1.5 x + 4 x^2.
void WriteTrace(const std::string& path,
                int first_prompt,
                int prompts,
                bool experts = false,
                int shard = 0,
                int shards = 1) {
  TraceHeader header;
  header.model = "shapes";
  header.steps = header.calls = 20;
  header.scheduler = "rflow";
  header.modulated = "input";
  header.width = 64;
  header.height = 48;
  header.frames = 8;
  header.shard = shard;
  header.shards = shards;
  TraceWriter writer(path, header);
  for (int p = first_prompt; p < first_prompt + prompts; ++p) {
    std::mt19937 random(300 + p);
    std::normal_distribution<double> normal(0, 1);
    std::vector<TraceRow> rows;
    for (int call = 0; call < 20; ++call) {
      TraceRow row;
      row.prompt = "prompt " + std::to_string(p);
      row.branch = "batched";
      row.call = row.step = call;
      row.expert = experts ? (call < 12 ? "high" : "low") : "";
      row.ms_embed = 1;
      row.ms_blocks = 8;
      row.ms_head = 1;
      if (call > 0) {
        const double x =
            0.05 + 0.2 * std::fabs(std::sin(call + 0.1 * p)) + 0.01 * std::fabs(normal(random));
        const double scale = experts && call >= 12 ? 2 : 1;
        const double y = scale * (0.05 + 1.5 * x + 4 * x * x) + 0.005 * normal(random);
        const double part = shards == 1 ? 1 : (shard == 0 ? 0.25 : 0.75);
        row.mod = {x * 100 * part, 100 * part, 1000};
        row.res = {y * 40 * part, 40 * part, 1000};
        row.out = {0.5 * y * 40, 40, 1000};
      }
      rows.push_back(row);
    }
    writer.Append(rows);
  }
}

FitCoeffsOptions Options(const std::vector<std::string>& files) {
  FitCoeffsOptions options;
  options.input.files = files;
  options.fit.degree = 2;
  options.diagnostics.bootstrap = 100;
  options.diagnostics.learning_repeats = 5;
  return options;
}

TEST(RunFitCoeffs, FromTraceToFiles) {
  TempDir dir;
  WriteTrace(dir / "a.jsonl", 0, 6);
  WriteTrace(dir / "b.jsonl", 6, 6);
  FitCoeffsOptions options = Options({dir / "a.jsonl", dir / "b.jsonl"});
  options.out = dir / "coeffs.json";
  options.threshold.target_speedup = 1.5;
  options.emit = {"vllm-omni", "sd-cpp", "magcache"};
  options.emit_folder = dir / "out";
  const FitCoeffsResult result = RunFitCoeffs(options);

  EXPECT_TRUE(Near(
      result.experts[0].fit.polynomial.coefficients(), std::vector{4.0, 1.5, 0.05}, 0.1, 0.01));
  // Calls 0 and 19 are always computed: 18 of 19 pairs of 12 prompts.
  EXPECT_EQ(result.experts[0].fit.n, 12 * 18);
  EXPECT_EQ(result.experts[0].diagnostics.all.n, 12 * 19);
  EXPECT_GE(result.experts[0].replay->speedup, 1.5 - 1e-9);
  const Coefficients written = ReadCoefficients(dir / "coeffs.json");
  EXPECT_EQ(written.set.coefficients, result.coefficients.set.coefficients);
  EXPECT_EQ(written.provenance.prompts, 12);
  EXPECT_EQ(written.provenance.runs, 12);
  EXPECT_EQ(written.provenance.model, "shapes");
  EXPECT_EQ(written.provenance.target, "residual");
  EXPECT_EQ(written.provenance.traces, (std::vector<std::string>{"a.jsonl", "b.jsonl"}));
  EXPECT_TRUE(written.set.threshold.has_value());
  EXPECT_TRUE(written.set.stats.at("r2").lo.has_value());
  EXPECT_EQ(result.written.size(), 7u);
  for (const std::string& path : result.written) EXPECT_TRUE(std::filesystem::exists(path)) << path;
  std::ifstream mask_file(dir / "out/sd-cpp.txt");
  std::string mask((std::istreambuf_iterator<char>(mask_file)), {});
  EXPECT_THAT(mask, HasSubstr("--scm-mask \"1,"));
}

TEST(RunFitCoeffs, TensorShardsGiveTheSameFit) {
  TempDir dir;
  WriteTrace(dir / "whole.jsonl", 0, 5);
  WriteTrace(dir / "left.jsonl", 0, 5, false, 0, 2);
  WriteTrace(dir / "right.jsonl", 0, 5, false, 1, 2);
  const auto whole = RunFitCoeffs(Options({dir / "whole.jsonl"}));
  const auto parts = RunFitCoeffs(Options({dir / "left.jsonl", dir / "right.jsonl"}));
  EXPECT_TRUE(
      NearRel(parts.coefficients.set.coefficients, whole.coefficients.set.coefficients, 1e-10));
  EXPECT_THAT([&] { RunFitCoeffs(Options({dir / "left.jsonl"})); },
              ThrowsMessage<UserError>(HasSubstr("shard 1 is missing")));
}

// What a fit says, without the names of its files.
std::string Findings(const FitCoeffsOptions& options) {
  json report = json::parse(FitReportJson(RunFitCoeffs(options)));
  report["coefficients"]["provenance"].erase("traces");
  report.erase("warnings");  // name files and lines
  return report.dump(1);
}

// The lines of a file but the first, shuffled, over two files.
void ShuffleAndSplit(const std::string& path, const std::string& a, const std::string& b) {
  std::ifstream file(path);
  std::string header;
  std::getline(file, header);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  std::shuffle(lines.begin(), lines.end(), std::mt19937(7));
  std::ofstream files[] = {std::ofstream(a), std::ofstream(b)};
  for (std::ofstream& out : files) out << header << "\n";
  for (size_t i = 0; i < lines.size(); ++i) files[i % 3 == 0] << lines[i] << "\n";
}

TEST(RunFitCoeffs, OrderAndPartsChangeNothing) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 12);
  ShuffleAndSplit(dir / "t.jsonl", dir / "a.jsonl", dir / "b.jsonl");
  WriteTrace(dir / "left.jsonl", 0, 5, false, 0, 2);
  WriteTrace(dir / "right.jsonl", 0, 5, false, 1, 2);
  for (const char* method : {"ceres", "huber"}) {
    const auto findings = [&](const std::vector<std::string>& files) {
      FitCoeffsOptions options = Options(files);
      options.fit.method = ChoiceOf(kFitMethods, method, "--method");
      options.threshold.target_speedup = 1.5;
      return Findings(options);
    };
    const std::string whole = findings({dir / "t.jsonl"});
    EXPECT_EQ(findings({dir / "a.jsonl", dir / "b.jsonl"}), whole) << method;
    EXPECT_EQ(findings({dir / "b.jsonl", dir / "a.jsonl"}), whole) << method;
    EXPECT_EQ(findings({dir / "left.jsonl", dir / "right.jsonl"}),
              findings({dir / "right.jsonl", dir / "left.jsonl"}));
  }
}

TEST(RunFitCoeffs, OrderAndPartsOfImportsChangeNothing) {
  TempDir dir;
  for (const bool keys : {true, false}) {
    std::ofstream file(dir / "t.csv");
    file << (keys ? "x,y,prompt,seed,branch,step\n" : "x,y\n");
    std::mt19937 random(5);
    std::uniform_real_distribution<double> number(0.01, 0.3);
    for (int p = 0; p < 12; ++p) {
      for (int call = 1; call < 10; ++call) {
        const double x = number(random);
        file << fmt::format("{},{}", x, 0.05 + 1.5 * x + 0.1 * number(random));
        file << (keys ? fmt::format(",p{},{},{},{}\n", p, p % 2, p % 3 ? "cond" : "uncond", call)
                      : "\n");
      }
    }
    file.close();
    ShuffleAndSplit(dir / "t.csv", dir / "a.csv", dir / "b.csv");
    for (const auto branches : {PairOptions::Branches::kAll, PairOptions::Branches::kAverage}) {
      const auto findings = [&](const std::vector<std::string>& files) {
        FitCoeffsOptions options = Options(files);
        options.fit.degree = 1;
        options.input.pairs.branches = branches;
        return Findings(options);
      };
      const std::string whole = findings({dir / "t.csv"});
      EXPECT_EQ(findings({dir / "a.csv", dir / "b.csv"}), whole) << keys;
      EXPECT_EQ(findings({dir / "b.csv", dir / "a.csv"}), whole) << keys;
    }
  }
}

TEST(RunFitCoeffs, EachExpertHasItsOwnFit) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 8, true);
  FitCoeffsOptions options = Options({dir / "t.jsonl"});
  options.threshold.target_skips = 3;
  options.emit = {"sglang", "tensorrt-llm"};
  options.emit_folder = dir / "out";
  const FitCoeffsResult result = RunFitCoeffs(options);
  ASSERT_EQ(result.experts.size(), 2u);
  EXPECT_EQ(result.experts[0].data.expert, "high");
  EXPECT_EQ(result.experts[0].data.replay->calls, 12);
  EXPECT_EQ(result.experts[1].data.replay->calls, 8);
  const auto& high = result.coefficients.ForExpert("high").coefficients;
  const auto& low = result.coefficients.ForExpert("low").coefficients;
  EXPECT_TRUE(Near(high, std::vector{4.0, 1.5, 0.05}, 0.2, 0.03));
  EXPECT_TRUE(Near(low, std::vector{8.0, 3.0, 0.1}, 0.2, 0.06));
  std::ifstream file(dir / "out/sglang.json");
  const json j = json::parse(file);
  // SGLang's rule computes five calls at the start: its fit is to the others.
  EXPECT_EQ(j["low"]["coefficients"].size(), 3u);
  EXPECT_NE(j["low"]["coefficients"].get<std::vector<double>>(), low);
  options.input.pairs.expert = "low";
  options.emit = {"vllm-omni"};
  EXPECT_EQ(RunFitCoeffs(options).coefficients.set.coefficients, low);
  options.input.pairs.expert = "middle";
  EXPECT_THAT([&] { RunFitCoeffs(options); },
              ThrowsMessage<UserError>(HasSubstr("\"high\", \"low\"")));
}

TEST(ReadCalibration, BranchPolicyDecidesTheSignal) {
  TempDir dir;
  TraceHeader header;
  header.model = "m";
  header.modulated = "input";
  header.steps = header.calls = 4;
  {
    TraceWriter writer(dir / "t.jsonl", header);
    std::vector<TraceRow> rows;
    for (const char* branch : {"cond", "uncond"}) {
      for (int call = 0; call < 4; ++call) {
        TraceRow row;
        row.prompt = "a";
        row.branch = branch;
        row.call = row.step = call;
        if (call > 0) {
          const bool cond = row.branch == "cond";
          row.mod = {cond ? 1.0 * call : 9.0, cond ? 10.0 : 30.0, 5};
          row.res = {1, 2, 5};
        }
        rows.push_back(row);
      }
    }
    writer.Append(rows);
  }
  CalibrationInput input;
  input.files = {dir / "t.jsonl"};
  const auto signals = [&](PairOptions::Branches branches) {
    input.pairs.branches = branches;
    std::vector<double> x;
    for (const SignalRun& run : ReadCalibration(input).experts[0].replay->runs)
      x.push_back(run.x[2]);
    return x;
  };
  using Branches = PairOptions::Branches;
  EXPECT_TRUE(Near(signals(Branches::kAll), std::vector{0.2, 0.3}, 1e-15, 0));
  EXPECT_TRUE(Near(signals(Branches::kWorst), std::vector{0.2, 0.3}, 1e-15, 0));
  EXPECT_TRUE(Near(signals(Branches::kCond), std::vector{0.2}, 1e-15, 0));
  EXPECT_TRUE(Near(signals(Branches::kUncond), std::vector{0.3}, 1e-15, 0));
  EXPECT_TRUE(Near(signals(Branches::kAverage), std::vector{11.0 / 40}, 1e-15, 0));
}

TEST(RunFitCoeffs, ChoosesTheDegree) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 12);
  FitCoeffsOptions options = Options({dir / "t.jsonl"});
  options.choose_degree = true;
  options.fit.degree = 7;
  EXPECT_EQ(RunFitCoeffs(options).experts[0].options.degree, 2);
}

TEST(RunFitCoeffs, UnreachableTargetIsToldAndNothingFails) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 4);
  FitCoeffsOptions options = Options({dir / "t.jsonl"});
  options.threshold.target_speedup = 50;
  const FitCoeffsResult result = RunFitCoeffs(options);
  EXPECT_FALSE(result.threshold_reached);
  EXPECT_THAT(result.threshold_text, HasSubstr("cannot be reached"));
  EXPECT_THAT(FitReportText(result), HasSubstr("cannot be reached"));
}

TEST(RunFitCoeffs, NothingIsWrittenWhenRefused) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 4);
  FitCoeffsOptions options = Options({dir / "t.jsonl"});
  options.out = dir / "coeffs.json";
  options.emit_folder = dir / "out";
  options.emit = {"vllm-omni"};  // no threshold
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  options.emit = {"vllm"};
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  options.emit.clear();
  options.threshold.threshold = 0.1;
  options.threshold.target_skips = 3;
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  options.threshold = {};
  options.threshold.target_quality = QualityTarget{};
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  options.threshold = {};
  options.input.engine = "none";
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  options.input.engine = "teacache";
  options.input.files = {};
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  std::ofstream(dir / "x.csv") << "x,y\n0.1,0.2\n";
  options.input.files = {dir / "t.jsonl", dir / "x.csv"};
  EXPECT_THAT([&] { RunFitCoeffs(options); }, ThrowsMessage<UserError>(HasSubstr("all traces")));
  options.input.files = {dir / "none.jsonl"};
  EXPECT_THROW(RunFitCoeffs(options), UserError);
  EXPECT_FALSE(std::filesystem::exists(dir / "coeffs.json"));
  EXPECT_FALSE(std::filesystem::exists(dir / "out"));
}

TEST(RunFitCoeffs, PlainCsv) {
  TempDir dir;
  std::ofstream file(dir / "p.csv");
  for (int i = 0; i < 50; ++i) file << 0.01 * i << "," << 0.1 + 0.02 * i + 0.001 * (i % 3) << "\n";
  file.close();
  FitCoeffsOptions options = Options({dir / "p.csv"});
  options.fit.degree = 1;
  const FitCoeffsResult result = RunFitCoeffs(options);
  EXPECT_NEAR(result.coefficients.set.coefficients[0], 2, 0.01);
  EXPECT_TRUE(result.experts[0].sweep.empty());
  EXPECT_TRUE(result.experts[0].diagnostics.steps.empty());
  options.threshold.target_skips = 3;
  EXPECT_THAT([&] { RunFitCoeffs(options); },
              ThrowsMessage<UserError>(HasSubstr("calls are known")));
}

TEST(FitReport, JsonHoldsEverything) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 5);
  FitCoeffsOptions options = Options({dir / "t.jsonl"});
  options.threshold.threshold = 0.5;
  const FitCoeffsResult result = RunFitCoeffs(options);
  const json j = json::parse(FitReportJson(result));
  EXPECT_EQ(j["format"], "teacache-fit");
  const json& expert = j["experts"][0];
  EXPECT_EQ(expert["pairs"]["x"].size(), 5 * 19);
  EXPECT_EQ(expert["pairs"]["fitted"][18], false);
  EXPECT_EQ(expert["bands"].size(), 101u);
  EXPECT_EQ(expert["steps"].size(), 18u);
  EXPECT_EQ(expert["sweep"].size(), 200u);
  EXPECT_EQ(expert["replay"]["runs"].size(), 5u);
  EXPECT_EQ(expert["replay"]["runs"][0]["schedule"].get<std::string>().size(), 20u);
  EXPECT_EQ(expert["replay"]["exact"], false);
  EXPECT_EQ(expert["cross_validation"]["baselines"].size(), 3u);
  EXPECT_EQ(expert["engines"].size(), EngineRules().size());
  EXPECT_EQ(expert["engines"][0]["mean_skips"], expert["replay"]["mean_skips"]);
  EXPECT_EQ(expert["static_mask"].get<std::string>().size(), 20u);
  EXPECT_FALSE(expert["verdict"]["text"].get<std::string>().empty());
  EXPECT_EQ(j["coefficients"]["coefficients"].size(), 3u);
  EXPECT_EQ(FitReportJson(result).find(": nan"), std::string::npos);
  const std::string text = FitReportText(result);
  EXPECT_THAT(text,
              AllOf(HasSubstr("R2"),
                    HasSubstr("each prompt left out once"),
                    HasSubstr("Verdict: "),
                    HasSubstr("Next: "),
                    HasSubstr("speed-up"),
                    HasSubstr("approximation")));
}

TEST(RunScore, JudgesGivenCoefficients) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 5);
  ScoreCoefficientsOptions options;
  options.input.files = {dir / "t.jsonl"};
  options.coefficients = "4 1.5 0.05";
  options.threshold = 0.5;
  const ScoreResult good = RunScore(options);
  EXPECT_GT(good.experts[0].window.r2, 0.99);
  EXPECT_GE(good.experts[0].refit.r2, good.experts[0].window.r2);
  EXPECT_GT(good.experts[0].replay->mean_skips, 0);
  options.coefficients = "latte";
  const ScoreResult latte = RunScore(options);
  EXPECT_LT(latte.experts[0].window.r2, 0);
  EXPECT_EQ(latte.likenesses[0].name, "latte");
  EXPECT_THAT(ScoreReportText(latte),
              AllOf(HasSubstr("worse than a constant"), HasSubstr("Latte, ali-vilab/TeaCache")));
  options.coefficients = "-2464.34137 308.044764 80.7447667 -4.11385132 0.111001402";
  EXPECT_THAT(ScoreReportText(RunScore(options)), HasSubstr("These are the numbers of Latte ("));
  const json j = json::parse(ScoreReportJson(latte));
  EXPECT_EQ(j["format"], "teacache-score");
  EXPECT_LT(j["experts"][0]["quality"]["window"]["r2"].get<double>(), 0);
  options.threshold = -1;
  EXPECT_THROW(RunScore(options), UserError);
}

TEST(RunScore, CalibratedRangeIsChecked) {
  TempDir dir;
  WriteTrace(dir / "t.jsonl", 0, 5);
  Coefficients coefficients;
  coefficients.set.coefficients = {1, 0};
  coefficients.set.x_min = 0.1;
  coefficients.set.x_max = 0.2;
  WriteCoefficients(dir / "c.json", coefficients);
  ScoreCoefficientsOptions options;
  options.input.files = {dir / "t.jsonl"};
  options.coefficients = dir / "c.json";
  const ScoreResult result = RunScore(options);
  EXPECT_GT(result.experts[0].outside, 0.1);
  EXPECT_LT(result.experts[0].outside, 0.9);
}

TEST(Krea, ScoreOfFluxDev) {
  const auto path = SharedGoldenFile("krea/flux1_krea_dev_pairs.csv");
  if (!path) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  ScoreCoefficientsOptions options;
  options.input.files = {path->string()};
  options.input.all_calls = true;
  options.coefficients = "flux.1-dev";
  EXPECT_NEAR(RunScore(options).experts[0].window.r2, -496.33, 0.05);
}

// The program itself: exit codes and what goes where.
class Program : public testing::Test {
 protected:
  // The exit code; stdout and stderr in files of these names.
  int Run(const std::string& arguments) {
    const std::string command = BinDir() + "/fit-coeffs " + arguments + " >" + (dir_ / "stdout") +
                                " 2>" + (dir_ / "stderr");
    const int status = std::system(command.c_str());
    return WEXITSTATUS(status);
  }

  std::string Text(const std::string& name) {
    std::ifstream file(dir_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempDir dir_;
};

TEST_F(Program, FitsScoresAndLists) {
  WriteTrace(dir_ / "t.jsonl", 0, 4);
  const std::string trace = dir_ / "t.jsonl";
  EXPECT_EQ(
      Run(trace + " --degree 2 --bootstrap 50 --target-speedup 1.3 --out " + (dir_ / "c.json")), 0)
      << Text("stderr");
  EXPECT_THAT(Text("stdout"), HasSubstr("predicted speed-up"));
  EXPECT_NO_THROW(ReadCoefficients(dir_ / "c.json"));
  EXPECT_EQ(Run(trace + " --degree auto --bootstrap 50 --json -"), 0);
  EXPECT_EQ(json::parse(Text("stdout"))["format"], "teacache-fit");
  EXPECT_EQ(Run("score " + trace + " --coeffs " + (dir_ / "c.json")), 0);
  EXPECT_THAT(Text("stdout"), HasSubstr("as well as a fit to this trace would"));
  EXPECT_EQ(Run("--degree 2 --bootstrap 50 --threshold 0.5 --emit vllm-omni,sd-cpp --emit-dir " +
                (dir_ / "emitted") + " --report " + (dir_ / "fit.html") + " " + trace),
            0)
      << Text("stderr");
  EXPECT_TRUE(std::filesystem::exists(dir_ / "emitted/sd-cpp.txt"));
  EXPECT_GT(std::filesystem::file_size(dir_ / "fit.html"), 1'000'000u);
  EXPECT_EQ(Run("list"), 0);
  EXPECT_THAT(Text("stdout"), HasSubstr("wan2.1-t2v-14b"));
}

TEST_F(Program, ExitCodes) {
  WriteTrace(dir_ / "t.jsonl", 0, 4);
  const std::string trace = dir_ / "t.jsonl";
  EXPECT_EQ(Run("--help"), 0);
  EXPECT_THAT(Text("stdout"), HasSubstr("--target-speedup"));
  EXPECT_EQ(Run("--version"), 0);
  EXPECT_EQ(Run(""), 2);
  EXPECT_EQ(Run(trace + " --nonsense"), 2);
  EXPECT_EQ(Run(trace + " --degree x"), 2);
  EXPECT_EQ(Run(trace + " --steps 5:2"), 2);
  EXPECT_EQ(Run(trace + " --worst"), 2);
  EXPECT_EQ(Run(trace + " --target-psnr 30 --sweep 0.1"), 2);
  EXPECT_EQ(Run(dir_ / "none"), 2);
  EXPECT_THAT(Text("stderr"), HasSubstr("none"));
  EXPECT_EQ(Run(trace + " --degree 2 --bootstrap 50 --target-speedup 99"), 1);
}

}  // namespace
}  // namespace teacache
