#include "datasets/coefficients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "datasets/base/error.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Coefficients Example() {
  Coefficients c;
  c.set.coefficients = {1.0 / 3, -2, 0.1};
  c.set.x_min = 0.01;
  c.set.x_max = 0.5;
  c.set.threshold = 0.15;
  c.set.stats["r2"] = {0.9, 0.8, 0.95};
  c.set.stats["rmse"].value = 0.01;
  c.experts["high"].coefficients = {1, 0};
  c.experts["low"].coefficients = {2, 0};
  c.provenance.model = "shapes";
  c.provenance.steps = 30;
  c.provenance.guidance = 7.5;
  c.provenance.traces = {"a.jsonl", "b.jsonl"};
  return c;
}

TEST(WriteCoefficients, ReadsBack) {
  TempDir dir;
  WriteCoefficients(dir / "c.json", Example());
  const Coefficients c = ReadCoefficients(dir / "c.json");
  EXPECT_EQ(c.set.coefficients, Example().set.coefficients);
  EXPECT_EQ(c.set.x_min, 0.01);
  EXPECT_EQ(c.set.x_max, 0.5);
  EXPECT_EQ(c.set.threshold, 0.15);
  EXPECT_EQ(c.set.stats.at("r2").value, 0.9);
  EXPECT_EQ(c.set.stats.at("r2").lo, 0.8);
  EXPECT_EQ(c.set.stats.at("r2").hi, 0.95);
  EXPECT_FALSE(c.set.stats.at("rmse").lo.has_value());
  EXPECT_EQ(c.ForExpert("low").coefficients, (std::vector<double>{2, 0}));
  EXPECT_EQ(c.ForExpert("").coefficients, c.set.coefficients);
  EXPECT_THROW(c.ForExpert("middle"), UserError);
  EXPECT_EQ(c.provenance.model, "shapes");
  EXPECT_EQ(c.provenance.steps, 30);
  EXPECT_EQ(c.provenance.guidance, 7.5);
  EXPECT_EQ(c.provenance.traces, (std::vector<std::string>{"a.jsonl", "b.jsonl"}));
}

TEST(WriteCoefficients, LeavesNothingWhenRefused) {
  TempDir dir;
  Coefficients bad = Example();
  bad.set.coefficients[1] = std::nan("");
  EXPECT_THROW(WriteCoefficients(dir / "c.json", bad), UserError);
  bad = Example();
  bad.set.coefficients.clear();
  EXPECT_THROW(WriteCoefficients(dir / "c.json", bad), UserError);
  bad = Example();
  bad.set.stats["r2"].value = INFINITY;
  EXPECT_THROW(WriteCoefficients(dir / "c.json", bad), UserError);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(ParseCoefficients, MinimalFile) {
  const Coefficients c = ParseCoefficients(
      R"({"format": "teacache-coefficients", "version": 1, "coefficients": [-450, 280.5]})", "f");
  EXPECT_EQ(c.set.coefficients, (std::vector<double>{-450, 280.5}));
  EXPECT_FALSE(c.set.threshold.has_value());
  EXPECT_EQ(c.ForExpert("high").coefficients, c.set.coefficients);
}

TEST(ParseCoefficients, MistakesAreNamed) {
  const auto expect_refused = [](const std::string& fields, const char* what) {
    const std::string text = R"({"format": "teacache-coefficients", "version": 1)" + fields + "}";
    EXPECT_THAT([&] { ParseCoefficients(text, "c.json"); },
                ThrowsMessage<UserError>(testing::AllOf(HasSubstr("c.json"), HasSubstr(what))))
        << fields;
  };
  expect_refused("", "\"coefficients\"");
  expect_refused(R"(,"coefficients": [])", "at least one");
  expect_refused(R"(,"coefficients": [1, "2"])", "coefficients[1]: must be a finite number");
  expect_refused(R"(,"coefficients": [1, null])", "finite number");
  expect_refused(R"(,"coefficients": 1)", "must be a list");
  expect_refused(R"(,"coefficients": [1], "coefs": [1])", "\"coefs\"");
  expect_refused(R"(,"coefficients": [1], "x_range": [2, 1])", "x_range");
  expect_refused(R"(,"coefficients": [1], "x_range": [2])", "x_range");
  expect_refused(R"(,"coefficients": [1], "threshold": 0)", "threshold");
  expect_refused(R"(,"coefficients": [1], "stats": {"r2": 1})", "object");
  expect_refused(R"(,"coefficients": [1], "stats": {"r2": {"value": 1, "ci95": [2, 1]}})", "ci95");
  expect_refused(R"(,"coefficients": [1], "experts": {"high": {}})",
                 "experts.high: must have the field");
  expect_refused(R"(,"coefficients": [1], "provenance": {"steps": -1})", "steps");
  expect_refused(R"(,"coefficients": [1], "provenance": {"traces": "a"})", "traces");
  EXPECT_THAT([] { ParseCoefficients("[1, 2]", "c.json"); },
              ThrowsMessage<UserError>(HasSubstr("object")));
  EXPECT_THAT([] { ParseCoefficients("{", "c.json"); },
              ThrowsMessage<UserError>(HasSubstr("JSON")));
  EXPECT_THAT([] { ParseCoefficients(R"({"format": "x"})", "c.json"); },
              ThrowsMessage<UserError>(HasSubstr("teacache-coefficients")));
  EXPECT_THAT(
      [] { ParseCoefficients(R"({"format": "teacache-coefficients", "version": 2})", "c.json"); },
      ThrowsMessage<UserError>(HasSubstr("version: must be 1 but is 2")));
}

}  // namespace
}  // namespace teacache
