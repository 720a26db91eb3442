#include "calib/importers/importers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "calib/diagnosis/diagnostics.h"
#include "calib/fit/fit.h"
#include "datasets/base/error.h"
#include "tests/calib/krea.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Branches = PairOptions::Branches;

std::vector<ImportedRuns> Import(const std::string& text, const ImportOptions& options = {}) {
  return ImportPairsFromText(text, "file", options);
}

void ExpectRefused(const std::string& text, const char* what, const ImportOptions& options = {}) {
  EXPECT_THAT([&] { Import(text, options); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("file"), HasSubstr(what))))
      << text;
}

TEST(ImportSglang, RowsOfTwoExperts) {
  const auto runs = Import(
      R"({"high": {"0": [6, 0.0, 0.0], "1": [6, 0.5, 0.9], "2": [4, 0.25, 0.3]},
          "low": {"3": [6, 0.0, 0.0], "4": [6, 0.1, 0.2]}})");
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].pairs.expert, "high");
  // The (0, 0) of the first call is no pair.
  ASSERT_EQ(runs[0].pairs.pairs.size(), 2u);
  EXPECT_EQ(runs[0].pairs.pairs[1].call, 2);
  EXPECT_EQ(runs[0].pairs.pairs[1].x, 0.25);
  EXPECT_EQ(runs[0].pairs.pairs[1].y, 0.3);
  EXPECT_EQ(runs[0].pairs.pairs[1].weight, 4);
  EXPECT_EQ(runs[1].pairs.calls, 5);
  EXPECT_THAT(runs[0].pairs.warnings[0], HasSubstr("spread is lost"));
  EXPECT_EQ(Import(R"({"single": {"1": [1, 0.5, 0.9]}})")[0].pairs.expert, "");
}

TEST(ImportSglang, ShardsAreMergedByCount) {
  const auto a = Import(R"({"single": {"1": [1, 0.5, 1.0], "2": [1, 0.2, 0.4]}})");
  const auto b = Import(R"({"single": {"1": [3, 0.1, 0.2], "2": [3, 0.2, 0.4]}})");
  const auto merged = MergeImported({a, b}, {"a", "b"});
  ASSERT_EQ(merged[0].pairs.pairs.size(), 2u);
  EXPECT_DOUBLE_EQ(merged[0].pairs.pairs[0].x, 0.2);
  EXPECT_DOUBLE_EQ(merged[0].pairs.pairs[0].y, 0.4);
  EXPECT_EQ(merged[0].pairs.pairs[0].weight, 4);
}

TEST(ImportSglang, Mistakes) {
  const ImportOptions sglang{"sglang", ""};
  ExpectRefused(R"({"single": {"one": [1, 0.5, 0.9]}})", "step number");
  ExpectRefused(R"({"single": {"1": [1, 0.5]}})", "[count, mean x, mean y]");
  ExpectRefused(R"({"single": {"1": [0, 0.5, 0.5]}})", "count must be positive");
  ExpectRefused(R"({"single": {"1": [1, -0.5, 0.5]}})", ">= 0");
  ExpectRefused(R"({"single": {"1": [1, "x", 0.5]}})", "number");
  ExpectRefused(R"({"single": 3})", "object", sglang);
  ExpectRefused(R"([1])", "object", sglang);
  ExpectRefused("{\"high\": {\"1\": [1, 0.5, 0.5]},\n \"low\": {\n  \"1\": [1, 0.5, -2]}}",
                "file:3:17: low.1[2]: mean y must be >= 0 but is -2");
  ExpectRefused("{\"single\":\n  {\"1\": [1, 0.5, 0.5],\n   \"01\": [1, 0.5, 0.5]}}",
                "file:2:3: single: steps must be different but 1 appears twice");
  ExpectRefused(R"({"a": {"1": [1, 0.5, 0.5]}, "a": {"2": [1, 0.5, 0.5]}})", "\"a\" appears twice");
}

TEST(ImportMlx, PromptsFromTheNumberOfSteps) {
  const auto runs = Import(R"({"variant": "flux", "num_inference_steps": 4, "guidance": 3.5,
    "height": 512, "width": 768, "x_values": [1, 2, 3, 4, 5, 6], "y_values": [6, 5, 4, 3, 2, 1]})");
  ASSERT_EQ(runs.size(), 1u);
  const PairSet& set = runs[0].pairs;
  EXPECT_EQ(runs[0].model, "flux");
  EXPECT_EQ(runs[0].guidance, 3.5);
  EXPECT_EQ(runs[0].width, 768);
  EXPECT_EQ(set.prompts.size(), 2u);
  EXPECT_EQ(set.calls, 4);
  EXPECT_EQ(set.pairs[4].prompt, 1);
  EXPECT_EQ(set.pairs[4].call, 2);
  EXPECT_EQ(set.pairs[4].x, 5);
  EXPECT_EQ(set.pairs[4].y, 2);
}

TEST(ImportMlx, NamedSignals) {
  const std::string text = R"({"num_inference_steps": 2, "signals": {
    "A": {"x_values": [1, 2], "y_values": [3, 4]}, "B": {"x_values": [5, 6], "y_values": [7, 8]}}})";
  EXPECT_EQ(Import(text)[0].pairs.pairs[0].x, 1);
  EXPECT_EQ(Import(text, {"auto", "B"})[0].pairs.pairs[0].x, 5);
  ExpectRefused(text, "signal \"C\"", {"auto", "C"});
}

TEST(ImportMlx, UnknownStructureIsAWarning) {
  const auto runs =
      Import(R"({"num_inference_steps": 5, "x_values": [1, 2, 3], "y_values": [1, 2, 3]})");
  EXPECT_EQ(runs[0].pairs.calls, 0);
  EXPECT_THAT(runs[0].pairs.warnings[0], HasSubstr("do not make whole prompts"));
}

TEST(ImportMlx, Mistakes) {
  ExpectRefused(R"({"x_values": [1], "y_values": [1, 2]})", "as many");
  ExpectRefused("{\"x_values\": [1],\n\"y_values\": [-1]}",
                "file:2:14: y_values[0]: must be >= 0 but is -1");
  ExpectRefused("{\"x_values\": [1,\n  2,\n  null], \"y_values\": [1, 2, 3]}",
                "file:3:3: x_values[2]: must be a finite number but is null");
  ExpectRefused("{\"signals\":\n {\"A\": {\"x_values\": [\"a\"], \"y_values\": [1]}}}",
                "file:2:22: signals.A.x_values[0]: must be a finite number but is \"a\"");
  ExpectRefused(R"({"x_values": [1]})", "y_values");
  ExpectRefused(R"({"x_values": [], "y_values": []})", "none");
}

TEST(ImportDifflet, Trajectories) {
  const auto runs = Import(R"({"model": "wan", "num_steps": 4, "trajectories": [
    {"prompt_index": 0, "prompt": "a", "seed": 3, "trajectory": [
      {"step": 1, "signal": 0.5, "delta": 0.6}, {"step": 2, "signal": 0.3, "delta": 0.4}]},
    {"prompt_index": 1, "prompt": "b", "trajectory": [{"step": 3, "signal": 0.1, "delta": 0.2}]}]})");
  const PairSet& set = runs[0].pairs;
  EXPECT_EQ(runs[0].model, "wan");
  EXPECT_EQ(set.prompts, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(set.pairs.size(), 3u);
  EXPECT_EQ(set.pairs[0].seed, 3);
  EXPECT_EQ(set.pairs[2].call, 3);
  EXPECT_EQ(set.pairs[2].y, 0.2);
}

TEST(ImportDifflet, Mistakes) {
  ExpectRefused(R"({"trajectories": []})", "num_steps");
  ExpectRefused(R"({"num_steps": 4, "trajectories": []})", "none");
  ExpectRefused(R"({"num_steps": 4, "trajectories": 1})", "list");
  ExpectRefused(
      R"({"num_steps": 4, "trajectories": [{"trajectory": [{"step": 4, "signal": 1, "delta": 1}]}]})",
      "between 1 and 3");
  ExpectRefused(
      R"({"num_steps": 4, "trajectories": [{"prompt": "a", "trajectory": [
    {"step": 1, "signal": 1, "delta": 1}, {"step": 1, "signal": 1, "delta": 1}]}]})",
      "file:2:43: trajectories[0].trajectory[1]: pairs must be different but prompt \"a\", seed "
      "0, branch \"batched\", call 1 appears twice");
  ExpectRefused(R"({"num_steps": 4, "trajectories": [{"trajectory": [{"step": 1, "signal": 1}]}]})",
                "file:1:51: trajectories[0].trajectory[0]: must have the field \"delta\"");
  ExpectRefused("{\"num_steps\": 4, \"trajectories\": [\n{\"seed\": 1.5}]}",
                "file:2:10: trajectories[0].seed: must be an integer but is 1.5");
  ExpectRefused(
      "{\"num_steps\": 4, \"trajectories\": [{\"prompt\": \"a, [\\\"b\", \"trajectory\": [\n"
      "  {\"step\": 1, \"signal\": 1, \"delta\": 1},\n"
      "  {\"step\": 2, \"signal\": 1, \"delta\": -1}]}]}",
      "file:3:37: trajectories[0].trajectory[1].delta: must be >= 0 but is -1");
}

TEST(ImportVllmOmni, ListsAndPairs) {
  const auto lists = Import(R"({"input_diffs": [0.1, 0.2], "output_diffs": [0.3, 0.4]})");
  EXPECT_EQ(lists[0].pairs.pairs[1].y, 0.4);
  EXPECT_EQ(lists[0].pairs.calls, 0);
  const auto pairs = Import("[[0.1, 0.3], [0.2, 0.4]]");
  EXPECT_EQ(pairs[0].pairs.pairs[1].x, 0.2);
  EXPECT_EQ(pairs[0].pairs.pairs[1].call, 2);
  ExpectRefused("[[0.1]]", "[x, y]");
  ExpectRefused("[[0.1, 0.2],\n [0.1, 0.3], [0.1, true]]",
                "file:2:14: [2]: must be [x, y], two finite numbers >= 0, but is [0.1, true]");
  ExpectRefused("{\"input_diffs\": [1,\n-1], \"output_diffs\": [1, 1]}",
                "file:2:1: input_diffs[1]: must be >= 0 but is -1");
  ExpectRefused("[]", "none");
  ExpectRefused(R"({"x": [1, 2], "y": [1]})", "as many");
  ExpectRefused(R"({"a": 1})", "is none of them");
  ExpectRefused("{", "JSON");
}

TEST(ImportJson, SyntaxErrorsNameLineAndColumn) {
  ExpectRefused("{\"x_values\": [1, 2],\n \"y_values\": [1, NaN]}",
                "file:2:18: must be valid JSON but is not");
  ExpectRefused("{\"num_steps\": 4,\n\n \"trajectories\": [tru]}",
                "file:3:22: must be valid JSON but is not");
  ExpectRefused("{\"single\": {\n \"1\": [1, 0.5 0.5]}}", "file:2:17: must be valid JSON");
  ExpectRefused("[[0.1, 0.2],\n [0.1, 1e999]]", "file:2:12: must be valid JSON");
  // Truncated, text that is no UTF-8, more behind the end.
  ExpectRefused("[[0.1, 0.2],\n [0.1, 0.", "file:2:10: must be valid JSON");
  ExpectRefused("{\"x_values\": [1], \"y_values\": [1], \"\xFF\": 1}",
                "file:1:37: must be valid JSON");
  ExpectRefused("[[0.1, 0.2]]\n]", "file:2:1: must be valid JSON");
  // Valid, but beyond what is read.
  ExpectRefused("[[123456789012345678901234567890, 1]]", "must hold integers of at most 64 bits");
  // As deep as the other reader of JSON takes it (see kMaxJsonDepth).
  for (const size_t depth : {65, 5000, 200000}) {
    ExpectRefused(std::string(depth, '[') + std::string(depth, ']'), "at most 64 levels");
  }
  ExpectRefused(std::string(64, '[') + std::string(64, ']'), "must be [x, y]");
}

TEST(ImportJson, ByteOrderMarkAndLongValuesInMessages) {
  EXPECT_EQ(Import("\xEF\xBB\xBF[[0.1, 0.3]]")[0].pairs.pairs[0].y, 0.3);
  ExpectRefused(R"({"a\nb": {"1": [1, 2]}})", "file:1:16: a b.1: must be [count, mean x, mean y]");
  const std::string text = std::string(56, 'a') + "\xC3\xA4" + std::string(100, 'b');
  ExpectRefused("[[1, 2],\n\"" + text + "\"]", ("\"" + std::string(56, 'a') + "...").c_str());
}

TEST(ImportCsv, AllColumns) {
  const auto runs = Import(
      "prompt,seed,branch,expert,step,x,y\r\n"
      "\"a, quoted\",1,cond,high,2,0.5,0.6\n"
      "b,1,uncond,high,1,5e-1,+0.6\n"
      "\n"
      "b,1,cond,low,1,0.25,0.125");
  ASSERT_EQ(runs.size(), 2u);
  const PairSet& high = runs[0].pairs;
  EXPECT_EQ(high.expert, "high");
  EXPECT_EQ(high.prompts, (std::vector<std::string>{"a, quoted", "b"}));
  EXPECT_EQ(high.branches, (std::vector<std::string>{"cond", "uncond"}));
  EXPECT_EQ(high.pairs[0].call, 2);
  EXPECT_EQ(high.pairs[0].seed, 1);
  EXPECT_EQ(high.calls, 3);
  EXPECT_EQ(runs[1].pairs.pairs[0].y, 0.125);
}

TEST(ImportCsv, PlainPairs) {
  const auto runs = Import("0.1,0.2\n0.3,0.4\n");
  EXPECT_EQ(runs[0].pairs.pairs.size(), 2u);
  EXPECT_EQ(runs[0].pairs.calls, 0);
  EXPECT_EQ(Import("y,x\n1,2\n")[0].pairs.pairs[0].x, 2);
}

TEST(ImportCsv, StepsCountedFromZeroAreShifted) {
  const auto runs = Import("step,x,y\n0,0.1,0.2\n1,0.3,0.4\n");
  EXPECT_EQ(runs[0].pairs.pairs[0].call, 1);
  EXPECT_EQ(runs[0].pairs.calls, 3);
}

TEST(ImportCsv, UnsortedRowsAreSortedWithAWarning) {
  const auto runs = Import("prompt,step,x,y\na,1,0.1,0.2\na,3,0.3,0.4\nb,1,0.1,0.1\na,2,0.2,0.3\n");
  const PairSet& set = runs[0].pairs;
  EXPECT_EQ(Xs(set), (std::vector<double>{0.1, 0.2, 0.3, 0.1}));
  ASSERT_EQ(set.warnings.size(), 1u);
  EXPECT_THAT(set.warnings[0], HasSubstr("file:5: steps of a run should ascend"));
  // Step by step over the prompts is an order, too.
  const auto by_step = Import("prompt,step,x,y\na,1,1,1\nb,1,2,2\na,2,3,3\nb,2,4,4\n");
  EXPECT_EQ(Xs(by_step[0].pairs), (std::vector<double>{1, 3, 2, 4}));
  EXPECT_TRUE(by_step[0].pairs.warnings.empty());
}

TEST(ImportCsv, BlanksSignsQuotesAndByteOrderMark) {
  const auto runs = Import("\xEF\xBB\xBFprompt, step ,x,y\n p q , 1 ,\"0.5\", +2e0\n");
  EXPECT_EQ(runs[0].pairs.prompts[0], "p q");
  EXPECT_EQ(runs[0].pairs.pairs[0].call, 1);
  EXPECT_EQ(runs[0].pairs.pairs[0].x, 0.5);
  EXPECT_EQ(runs[0].pairs.pairs[0].y, 2);
  EXPECT_EQ(Import("0.5,1\r\n0.25,2\r\n")[0].pairs.pairs[1].y, 2);
}

TEST(ImportCsv, DoubledQuotes) {
  const auto runs = Import(
      "prompt,branch,step,x,y\n\"a \"\"big\"\" cat, red\",\"c\"\"d\" "
      ",1,1,2\n\"\"\"\",\"\",1,3,4\n");
  EXPECT_EQ(runs[0].pairs.prompts, (std::vector<std::string>{"a \"big\" cat, red", "\""}));
  EXPECT_EQ(runs[0].pairs.branches, (std::vector<std::string>{"c\"d", ""}));
  ExpectRefused("prompt,x,y\n\"a \"b\" c\",1,2\n", "file:2: a comma must follow a closed quote");
  ExpectRefused("prompt,x,y\n\"a\"\",1,2\n", "file:2: a quote must be closed");
}

TEST(ImportCsv, MistakesNameTheLine) {
  ExpectRefused("x,y\n1,2\n1,nan\n", "file:3");
  ExpectRefused("x,y\n1,2\n1,inf\n", "file:3");
  ExpectRefused("x,y\n1,2\n-1,2\n", "file:3");
  ExpectRefused("x,y\n1,two\n", "file:2: y must be a number but is \"two\"");
  ExpectRefused("x,y\n1,\n", "file:2");
  ExpectRefused("x,y\n1,2,3\n", "must have 2 columns but has 3");
  ExpectRefused("x,z\n1,2\n", "columns must be");
  ExpectRefused("x,x\n1,2\n", "twice");
  ExpectRefused("x,prompt\n1,2\n", "columns x and y");
  ExpectRefused("x,y\n", "none");
  ExpectRefused("", "empty");
  ExpectRefused("1,2,3\n", "2 columns");
  ExpectRefused("x,y,step\n1,2,1.5\n", "integer");
  ExpectRefused("x,y,step\n1,2,-1\n", "between");
  ExpectRefused("x,y,step\n1,2,3\n1,2,4\n\n1,2,3\n",
                "file:5: pairs must be different but prompt \"all\", seed 0, branch \"batched\", "
                "call 3 appears twice, also on line 2");
  ExpectRefused("x,y\n1,2\n0.5\n", "file:3: must have 2 columns but has 1");
  ExpectRefused("prompt,x,y\n\"a,1,2\n", "quote");
}

TEST(MergeImported, RefusesMixtures) {
  const auto csv = Import("prompt,step,x,y\na,1,0.1,0.2\n");
  const auto same = Import("prompt,step,x,y\na,1,0.3,0.2\n");
  const auto other = Import("prompt,step,x,y\na,1,0.1,0.2\na,2,0.1,0.2\n");
  const auto fine = Import("prompt,step,x,y\nb,1,0.3,0.2\n");
  EXPECT_THAT(
      [&] {
        MergeImported({fine, csv, same}, {"o", "p", "q"});
      },
      ThrowsMessage<UserError>(
          HasSubstr("q: pairs must be different but prompt \"a\", seed 0, branch "
                    "\"batched\", call 1 is in p, too")));
  EXPECT_THAT(
      [&] {
        MergeImported({csv, other}, {"p", "q"});
      },
      ThrowsMessage<UserError>(HasSubstr("same steps as p")));
  EXPECT_EQ(MergeImported({csv, fine}, {"p", "q"})[0].pairs.pairs.size(), 2u);
  const auto plain = Import("0.1,0.2\n0.3,0.4\n");
  EXPECT_EQ(MergeImported({plain, plain}, {"p", "q"})[0].pairs.pairs.size(), 4u);
}

TEST(CombineBranches, Policies) {
  const auto runs =
      Import("prompt,branch,step,x,y\na,cond,1,0.1,0.4\na,uncond,1,0.3,0.2\na,cond,2,0.1,0.1\n");
  const PairSet& set = runs[0].pairs;
  EXPECT_TRUE(
      Near(Ys(CombineBranches(set, {.branches = Branches::kWorst})), std::vector{0.4, 0.1}, 0, 0));
  EXPECT_TRUE(
      Near(Xs(CombineBranches(set, {.branches = Branches::kWorst})), std::vector{0.1, 0.1}, 0, 0));
  EXPECT_TRUE(Near(
      Xs(CombineBranches(set, {.branches = Branches::kAverage})), std::vector{0.2, 0.1}, 1e-15, 0));
  EXPECT_EQ(CombineBranches(set, {.branches = Branches::kCond}).pairs.size(), 2u);
  EXPECT_EQ(CombineBranches(set, {.branches = Branches::kUncond}).pairs.size(), 1u);
  EXPECT_EQ(CombineBranches(set, {.branches = Branches::kAll}).pairs.size(), 3u);
  EXPECT_THROW(CombineBranches(Import("1,2\n")[0].pairs, {.branches = Branches::kUncond}),
               UserError);
}

TEST(OnlySteps, Window) {
  const PairSet set = Import("step,x,y\n1,0.1,0.2\n2,0.1,0.2\n3,0.1,0.2\n")[0].pairs;
  EXPECT_EQ(OnlySteps(set, 2, 3).pairs.size(), 2u);
  EXPECT_EQ(OnlySteps(set, 2, -1).pairs.size(), 2u);
  EXPECT_THROW(OnlySteps(set, 7, 9), UserError);
}

TEST(Krea, ImportedAsCsvGivesTheSameFit) {
  const auto path = SharedGoldenFile("krea/flux1_krea_dev_pairs.csv");
  if (!path) GTEST_SKIP() << "no krea trace in TEACACHE_SHARED_GOLDEN_DIR";
  const auto runs = ImportPairs(path->string());
  const PairSet& set = runs[0].pairs;
  EXPECT_EQ(set.calls, 28);
  EXPECT_EQ(set.prompts.size(), 10u);
  EXPECT_TRUE(Near(Xs(set), Xs(*ReadKrea()), 0, 0));
  EXPECT_NEAR(FitPolynomialQr(Xs(set), Ys(set), 4).r2, 0.6817, 5e-5);
}

TEST(IsTraceFile, ByContent) {
  TempDir dir;
  std::ofstream(dir / "a") << "{\"format\":\"teacache-trace\",\"version\":1}\n";
  std::ofstream(dir / "b") << "x,y\n";
  EXPECT_TRUE(IsTraceFile(dir / "a"));
  EXPECT_FALSE(IsTraceFile(dir / "b"));
  EXPECT_FALSE(IsTraceFile(dir / "none"));
}

TEST(CheckImportFormat, Names) {
  for (const std::string& name : ImportFormats()) EXPECT_NO_THROW(CheckImportFormat(name));
  EXPECT_NO_THROW(CheckImportFormat("auto"));
  EXPECT_THAT([] { CheckImportFormat("xml"); },
              ThrowsMessage<UserError>(HasSubstr("auto, difflet")));
}

}  // namespace
}  // namespace teacache
