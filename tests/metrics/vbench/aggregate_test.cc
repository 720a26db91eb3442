#include "metrics/vbench/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "metrics/vbench/aggregate_command.h"
#include "metrics/vbench/dimensions.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Scores = std::map<std::string, double>;

Scores RawScores(const nlohmann::json& json) {
  Scores scores;
  for (const auto& [name, value] : json.items()) scores[name] = value.get<double>();
  return scores;
}

void ExpectTotals(const VbenchTotals& totals, const nlohmann::json& expected) {
  EXPECT_NEAR(totals.total, expected["total"].get<double>(), 1e-12);
  EXPECT_NEAR(totals.quality, expected["quality"].get<double>(), 1e-12);
  EXPECT_NEAR(totals.semantic, expected["semantic"].get<double>(), 1e-12);
  EXPECT_EQ(totals.scaled.size(), expected["scaled"].size());
  for (const auto& [name, value] : expected["scaled"].items()) {
    const std::string key(FindVbenchDimension(name)->name);
    EXPECT_NEAR(totals.scaled.at(key), value.get<double>(), 1e-12) << name;
  }
}

TEST(VbenchAggregate, TableIsUpstreams) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_aggregation")) {
    EXPECT_EQ(golden.json["normalize"].size(), VbenchDimensions().size());
    for (const VbenchDimension& d : VbenchDimensions()) {
      std::string name(d.name);
      std::replace(name.begin(), name.end(), '_', ' ');
      EXPECT_EQ(d.min, golden.json["normalize"][name]["Min"].get<double>()) << name;
      EXPECT_EQ(d.max, golden.json["normalize"][name]["Max"].get<double>()) << name;
      EXPECT_EQ(d.weight, golden.json["weights"][name].get<double>()) << name;
      const nlohmann::json& list = golden.json[d.quality ? "quality_list" : "semantic_list"];
      EXPECT_NE(std::find(list.begin(), list.end(), name), list.end()) << name;
    }
  }
}

TEST(VbenchAggregate, GoldenCases) {
  for (const GoldenCase& golden : FindGoldenCases("vbench_aggregation")) {
    for (const nlohmann::json& c : golden.json["cases"]) {
      SCOPED_TRACE(c["label"].get<std::string>());
      const Scores raw = RawScores(c["raw"]);
      ExpectTotals(AggregateVbench(raw, VbenchCompat::kVbench), c["official_script"]);
      if (!c["ok"].get<bool>()) {
        EXPECT_THROW(AggregateVbench(raw, VbenchCompat::kTeaCache), UserError);
        EXPECT_THROW(AggregateVbench(raw), UserError);
        continue;
      }
      ExpectTotals(AggregateVbench(raw), c["official_script"]);
      const VbenchTotals totals = AggregateVbench(raw, VbenchCompat::kTeaCache);
      ExpectTotals(totals, c["cal_vbench_full_precision"]);
      EXPECT_EQ(nlohmann::json::parse(TeaCacheAllResults(totals)), c["all_results"]);
      EXPECT_EQ(nlohmann::json::parse(TeaCacheScaledResults(totals))["items"], c["scaled_results"]);
    }
  }
}

TEST(VbenchAggregate, PartialTotalsAreWeightedMeansAndMarked) {
  const Scores raw = {{"temporal_flickering", 1.0}, {"dynamic_degree", 0.5}, {"color", 0.25}};
  EXPECT_THROW(AggregateVbench(raw), UserError);
  const VbenchTotals totals = AggregateVbench(raw, VbenchCompat::kNone, /*partial=*/true);
  EXPECT_TRUE(totals.partial);
  EXPECT_EQ(totals.missing.size(), 13u);
  EXPECT_NEAR(totals.quality, (1 + 0.25) / 1.5, 1e-15);
  EXPECT_NEAR(totals.semantic, 0.25, 1e-15);
  EXPECT_THAT(VbenchTotalsText(totals), HasSubstr("PARTIAL: over 3 of 16"));
  EXPECT_TRUE(nlohmann::json::parse(VbenchTotalsJson(totals, VbenchCompat::kNone))["partial"]);
}

TEST(VbenchAggregate, PartialWithoutOneGroupHasNoTotal) {
  const VbenchTotals totals =
      AggregateVbench({{"temporal_flickering", 1.0}}, VbenchCompat::kNone, /*partial=*/true);
  EXPECT_TRUE(std::isnan(totals.semantic));
  EXPECT_TRUE(std::isnan(totals.total));
  const auto json = nlohmann::json::parse(VbenchTotalsJson(totals, VbenchCompat::kNone));
  EXPECT_TRUE(json["total"].is_null());
  EXPECT_EQ(json["quality"], 1.0);
}

class VbenchScoresTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) const {
    AtomicWriteFile(folder_ / name, text);
  }
  std::string ErrorOf(VbenchCompat compat) const {
    try {
      ReadVbenchScores({folder_.path().string()}, compat);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }
  TempDir folder_;
};

TEST_F(VbenchScoresTest, ReadsSeveralFilesAndBothKindsOfScores) {
  Write("a_eval_results.json",
        R"({"temporal_flickering": [0.98, [{"video_path": "x.mp4", "video_results": 0.98}]],
            "human_action": [true, []]})");
  Write("b_eval_results.json", R"({"color": [1, []]})");
  Write("other.json", "not json");
  const Scores scores = ReadVbenchScores({folder_.path().string()});
  EXPECT_EQ(scores, (Scores{{"temporal_flickering", 0.98}, {"human_action", 1}, {"color", 1}}));
}

TEST_F(VbenchScoresTest, Mistakes) {
  EXPECT_THAT(ErrorOf(VbenchCompat::kNone), HasSubstr("holds none"));
  Write("a_eval_results.json", R"({"color": [0.5, []]})");
  EXPECT_THAT(ErrorOf(VbenchCompat::kTeaCache), HasSubstr("a_full_info.json"));
  Write("a_full_info.json", R"([{"prompt_en": "x", "video_list": []}])");
  EXPECT_THAT(ErrorOf(VbenchCompat::kTeaCache), HasSubstr("must have a video"));
  Write("a_full_info.json", R"([{"prompt_en": "x", "video_list": ["x-0.mp4"]}])");
  EXPECT_EQ(ErrorOf(VbenchCompat::kTeaCache), "no error");
  Write("b_eval_results.json", R"({"color": [0.5, []]})");
  EXPECT_THAT(ErrorOf(VbenchCompat::kNone), HasSubstr("color must be in one file only"));
  Write("b_eval_results.json", R"({"colour": [0.5, []]})");
  EXPECT_THAT(ErrorOf(VbenchCompat::kNone), HasSubstr("\"colour\""));
  Write("b_eval_results.json", R"({"scene": ["0.5", []]})");
  EXPECT_THAT(ErrorOf(VbenchCompat::kNone), HasSubstr("scene[0]: must be a finite number"));
  Write("b_eval_results.json", R"({"scene": [NaN, []]})");
  EXPECT_THAT(ErrorOf(VbenchCompat::kNone),
              HasSubstr("b_eval_results.json:1:12: must be valid JSON"));
  Write("b_eval_results.json", "[1]");
  EXPECT_THAT(ErrorOf(VbenchCompat::kNone), HasSubstr("must be {dimension"));
}

TEST_F(VbenchScoresTest, CommandWritesTeaCachesFilesIntoTheFolder) {
  std::string scores;
  for (const VbenchDimension& d : VbenchDimensions()) {
    scores += (scores.empty() ? "{" : ", ") + fmt::format("\"{}\": [0.5, []]", d.name);
  }
  Write("all_eval_results.json", scores + "}");
  Write("all_full_info.json", R"([{"video_list": ["x-0.mp4"]}])");
  VbenchAggregateCommand command;
  command.scores = {folder_.path().string()};
  command.compat = VbenchCompat::kTeaCache;
  EXPECT_THAT(RunVbenchAggregate(command), HasSubstr("Total"));
  EXPECT_THAT(ReadFile(folder_ / "all_results.json"),
              ::testing::StartsWith("{\n    \"aesthetic_quality\": \"0.5000\",\n"));
  EXPECT_THAT(
      ReadFile(folder_ / "scaled_results.json"),
      ::testing::StartsWith("{\n    \"items\": [\n        {\n            \"total score\": "));
  command.partial = true;
  EXPECT_THROW(RunVbenchAggregate(command), UserError);
}

}  // namespace
}  // namespace teacache
