// From a trace to coefficients to cached videos to scores, program by program.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/base/files.h"
#include "datasets/base/journal.h"
#include "tests/e2e/programs.h"

namespace teacache {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class PipelineTest : public ProgramTest {
 protected:
  ProcessResult Expect0(const std::string& program, const std::vector<std::string>& arguments) {
    ProcessResult result = RunTool(program, arguments);
    EXPECT_EQ(result.exit_code, 0) << program << ": " << result.err;
    return result;
  }
  json Coefficients(const std::string& name) const { return json::parse(ReadFile(folder_ / name)); }
  int ComputedCalls(const std::string& run) const {
    int computed = 0;
    ReadJournal(folder_ / (run + "/timing.jsonl")).ForEachEntry([&](const JsonNode& entry) {
      computed += static_cast<int>(std::ranges::count(entry.At("calls").String(), 'C'));
    });
    return computed;
  }
};

TEST_F(PipelineTest, RecordFitGenerateScore) {
  const std::string fit_prompts =
      WritePrompts("fit.txt", {kShapesPrompts[0], kShapesPrompts[1], kShapesPrompts[2]});
  const std::string test_prompts = WritePrompts("test.txt", {kShapesPrompts[3]});
  Expect0("record-diffs",
          {"--weights",
           Weights(),
           "--prompts",
           fit_prompts,
           "--seeds",
           "0-1",
           "--out",
           folder_ / "trace.jsonl"});
  Expect0("fit-coeffs",
          {folder_ / "trace.jsonl",
           "--degree",
           "2",
           "--allow-worse-degree",
           "--bootstrap",
           "50",
           "--out",
           folder_ / "coeffs.json"});
  const json coefficients = Coefficients("coeffs.json");
  EXPECT_EQ(coefficients.at("coefficients").size(), 3u);
  std::vector<int> computed;
  for (const char* threshold : {"0", "0.1", "0.5", "2"}) {
    Expect0("generate-videos",
            {"--weights",
             Weights(),
             "--prompts",
             test_prompts,
             "--seeds",
             "0-1",
             "--cache",
             "teacache",
             "--threshold",
             threshold,
             "--coeffs",
             folder_ / "coeffs.json",
             "--lossless",
             "--out",
             folder_ / fmt::format("tea-{}", threshold)});
    computed.push_back(ComputedCalls(fmt::format("tea-{}", threshold)));
  }
  EXPECT_EQ(computed.front(), 60);
  EXPECT_TRUE(std::is_sorted(computed.rbegin(), computed.rend()))
      << ::testing::PrintToString(computed);
  EXPECT_LT(computed.back(), 60);
  Expect0("generate-videos",
          {"--weights",
           Weights(),
           "--prompts",
           test_prompts,
           "--seeds",
           "0-1",
           "--lossless",
           "--out",
           folder_ / "none"});
  EXPECT_EQ(FilesIn(folder_ / "tea-0/videos"), FilesIn(folder_ / "none/videos"));
  const auto psnr = [&](const std::string& run) {
    Expect0("eval-metrics",
            {"--gt",
             folder_ / "none/videos",
             "--gen",
             folder_ / (run + "/videos"),
             "--metrics",
             "psnr,ssim",
             "--out",
             folder_ / (run + ".json")});
    return json::parse(ReadFile(folder_ / (run + ".json"))).at("summary").at("psnr");
  };
  EXPECT_EQ(psnr("tea-0").at("identical"), 2);
  const json cached = psnr("tea-2");
  EXPECT_EQ(cached.at("n"), 2);
  EXPECT_EQ(cached.at("identical"), 0);
  EXPECT_LT(cached.at("mean").get<double>(), 90);

  // The page of the same run folders, with what they say about calls and seconds.
  Expect0("sweep-report",
          {"render", folder_ / "none", folder_ / "tea-2", "--out", folder_ / "page"});
  const json report = json::parse(ReadFile(folder_ / "page/report.json"));
  ASSERT_EQ(report.at("rows").size(), 2u);
  for (const json& row : report.at("rows")) {
    EXPECT_EQ(row.at("calls"), 30);
    EXPECT_GT(row.at("total").at("n").get<int>(), 0);
  }
}

// A trace that another engine on another machine wrote: half precision, other numbers of elements,
// a line cut off at the end. Its relation is y = 2 x + 0.01.
std::string ForeignTrace() {
  std::string text =
      R"({"format": "teacache-trace", "version": 1, "model": "shapes", "steps": 30, "calls": 30, )"
      R"("scheduler": "rflow", "guidance": 2.0, "dtype": "bfloat16", "modulated": "input", )"
      R"("tool_version": "another engine 7"})"
      "\n";
  for (int run = 0; run < 4; ++run) {
    for (int call = 0; call < 30; ++call) {
      const double x = 0.02 + 0.003 * call + 0.01 * std::sin(call + run);
      const double y = 2 * x + 0.01;
      text += fmt::format(
          R"({{"prompt": "prompt {}", "seed": 0, "branch": "batched", "call": {}, "step": {}, )"
          R"("timestep": {})",
          run,
          call,
          call,
          1000.0 - call * 1000.0 / 30);
      if (call > 0) {
        text += fmt::format(R"(, "mod": {{"diff_l1": {}, "prev_l1": 1000, "n": 4096}}, )"
                            R"("res": {{"diff_l1": {}, "prev_l1": 500, "n": 4096}})",
                            1000 * x,
                            500 * y);
      }
      text += "}\n";
    }
  }
  return text + R"({"prompt": "prompt 4", "seed": 0, "bra)";
}

TEST_F(PipelineTest, ATraceFromAnotherMachine) {
  AtomicWriteFile(folder_ / "foreign.jsonl", ForeignTrace());
  const ProcessResult fit = Expect0("fit-coeffs",
                                    {folder_ / "foreign.jsonl",
                                     "--degree",
                                     "1",
                                     "--bootstrap",
                                     "50",
                                     "--threshold",
                                     "0.3",
                                     "--out",
                                     folder_ / "foreign.json"});
  EXPECT_THAT(fit.err, HasSubstr("cut"));
  const json file = Coefficients("foreign.json");
  ASSERT_EQ(file.at("coefficients").size(), 2u);
  EXPECT_NEAR(file.at("coefficients")[0].get<double>(), 2, 1e-6);
  EXPECT_NEAR(file.at("coefficients")[1].get<double>(), 0.01, 1e-7);
  const ProcessResult generated = Expect0("generate-videos",
                                          {"--weights",
                                           Weights(),
                                           "--prompt",
                                           kShapesPrompts[0],
                                           "--cache",
                                           "teacache",
                                           "--threshold",
                                           "0.3",
                                           "--coeffs",
                                           folder_ / "foreign.json",
                                           "--out",
                                           folder_ / "run"});
  EXPECT_THAT(generated.out, HasSubstr("1 videos made"));
  EXPECT_LT(ComputedCalls("run"), 30);
  const json run = json::parse(ReadFile(folder_ / "run/run.json"));
  EXPECT_EQ(run.at("policy").at("coefficients"), file.at("coefficients"));
}

}  // namespace
}  // namespace teacache
