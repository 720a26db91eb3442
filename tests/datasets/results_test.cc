#include "datasets/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kInf = std::numeric_limits<double>::infinity();

Results Example() {
  Results results;
  results.context = {{"ssim", "wang-rgb"}, {"gt", "a \"quoted\" folder"}};
  results.metrics = {UndescribedMetric("psnr"), UndescribedMetric("ssim"), {.name = "new"}};
  MetricSummary psnr;
  psnr.mean = 0.1 + 0.2;
  psnr.n = 2;
  psnr.identical = 1;
  results.summary["psnr"] = psnr;
  results.baseline["psnr"] = psnr;
  PairedDifference difference;
  difference.mean = -1.25;
  difference.b_better = 3;
  results.comparison["psnr"] = difference;
  VideoScore scored;
  scored.name = "a, \"b\"-0";
  scored.frames = 2;
  scored.scores = {{"psnr", kInf}, {"ssim", 1.0 / 3}};
  scored.identical_frames = 2;
  scored.per_frame = {{"psnr", {kInf, kInf}}, {"ssim", {0.1, 1.0}}};
  scored.gt.codec = "h264";
  scored.gen.fps = 23.976;
  scored.warnings = {"one", "two"};
  VideoScore failed;
  failed.name = "c";
  failed.error = "is damaged\nin two lines";
  results.videos = {scored, failed};
  results.unmatched_gt = {"x.mp4"};
  results.warnings = {"w"};
  return results;
}

TEST(Results, JsonRoundTripKeepsEveryBit) {
  const TempDir dir;
  const Results results = Example();
  WriteResults(dir / "r.json", results);
  const Results read = ReadResults(dir / "r.json");
  EXPECT_EQ(ResultsToJson(read), ResultsToJson(results));
  EXPECT_EQ(read.summary.at("psnr").mean, 0.1 + 0.2);
  EXPECT_TRUE(std::isnan(read.summary.at("psnr").median));
  EXPECT_EQ(read.comparison.at("psnr").b_better, 3);
  EXPECT_EQ(read.videos[0].scores.at("psnr"), kInf);
  EXPECT_EQ(read.videos[0].scores.at("ssim"), 1.0 / 3);
  EXPECT_EQ(read.videos[0].per_frame.at("psnr")[1], kInf);
  EXPECT_EQ(read.videos[0].gen.fps, 23.976);
  EXPECT_EQ(read.videos[1].error, "is damaged\nin two lines");
  EXPECT_EQ(read.NumErrors(), 1);
}

TEST(Results, CsvQuotesAndCountsColumns) {
  const std::string csv = ResultsToCsv(Example());
  EXPECT_THAT(csv, HasSubstr("\"a, \"\"b\"\"-0\",inf,0.3333333333333333,,2,2,"));
  EXPECT_THAT(csv, HasSubstr("one; two"));
  EXPECT_THAT(csv, HasSubstr("\"is damaged\nin two lines\","));
  EXPECT_THAT(csv, HasSubstr("error,psnr_definition,ssim_definition,new_definition\n"));
  EXPECT_THAT(csv, HasSubstr(",one; two,,,wang-rgb,\n"));  // in every row
  EXPECT_THAT(csv, HasSubstr("in two lines\",,wang-rgb,\n"));
  // As many columns in the header as in a row without quotes.
  Results plain;
  VideoScore row;
  row.name = "v";
  plain.videos = {row};
  const std::string text = ResultsToCsv(plain);
  const size_t newline = text.find('\n');
  EXPECT_EQ(std::count(text.begin(), text.begin() + newline, ','),
            std::count(text.begin() + newline, text.end(), ','));
}

TEST(Results, NamesThatAreNotUtf8DoNotStopTheFile) {
  Results results;
  VideoScore row;
  row.name = "bad \xff name";
  results.videos = {row};
  EXPECT_TRUE(nlohmann::json::accept(ResultsToJson(results)));
}

TEST(ReadResults, OtherFilesAreRefused) {
  const TempDir dir;
  const auto refused = [&](const std::string& text, const std::string& what) {
    AtomicWriteFile(dir / "r.json", std::string_view(text));
    EXPECT_THAT([&] { ReadResults(dir / "r.json"); },
                ThrowsMessage<UserError>(testing::AllOf(HasSubstr("r.json"), HasSubstr(what))))
        << text;
  };
  refused("", "JSON");
  refused("[]", "object");
  refused("{}", "teacache-results");
  refused(R"({"format": "teacache-results", "version": 2, "videos": []})", "version");
  refused(R"({"format": "teacache-results", "version": 1})", "videos");
  refused(R"({"format": "teacache-results", "version": 1, "videos": {}})", "list");
  refused(R"({"format": "teacache-results", "version": 1, "videos": [{"frames": 1}]})", "name");
  refused(R"({"format": "teacache-results", "version": 1,
              "videos": [{"name": "a", "frames": 1, "psnr": "high"}]})",
          "psnr");
  refused(R"({"format": "teacache-results", "version": 1, "videos": [],
              "summary": {"psnr": {"ci95": [1]}}})",
          "ci95");
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  refused(R"({"format": "teacache-results", "version": 1,
              "videos": [{"name": "a", "frames": 1, "psnr": )" +
              deep + "}]}",
          "at most 64 levels");
}

}  // namespace
}  // namespace teacache
