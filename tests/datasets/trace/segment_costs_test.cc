#include "datasets/trace/segment_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::ThrowsMessage;

SegmentCosts Costs() {
  SegmentCosts costs;
  costs.recipe.model = "shapes";
  costs.recipe.steps = costs.recipe.calls = 5;
  costs.measure = "residual";
  costs.rows.push_back({"a cat", 0, 1, 4, 0, 1, 0.125});
  costs.rows.push_back({"a cat", 0, 3, 2, 1, 2, 1.0 / 3});
  return costs;
}

TEST(SegmentCosts, ReadBackToTheLastBit) {
  const TempDir dir;
  WriteSegmentCosts(dir / "c.jsonl", Costs());
  const SegmentCosts read = ReadSegmentCosts(dir / "c.jsonl");
  EXPECT_THAT(read.warnings, IsEmpty());
  EXPECT_EQ(read.measure, "residual");
  EXPECT_EQ(read.recipe.model, "shapes");
  ASSERT_EQ(read.rows.size(), 2u);
  const SegmentCost& row = read.rows[1];
  EXPECT_EQ(row.prompt, "a cat");
  EXPECT_EQ(row.start, 3);
  EXPECT_EQ(row.skipped, 2);
  EXPECT_EQ(row.order, 1);
  EXPECT_EQ(row.gap, 2);
  EXPECT_EQ(row.error, 1.0 / 3);
  const std::string text = ReadFile(dir / "c.jsonl");
  EXPECT_THAT(text.substr(0, text.rfind('{')), Not(HasSubstr("gap")));  // at its default
}

TEST(SegmentCosts, ACutLastLineIsAWarning) {
  const TempDir dir;
  WriteSegmentCosts(dir / "c.jsonl", Costs());
  const std::string text = ReadFile(dir / "c.jsonl");
  AtomicWriteFile(dir / "c.jsonl", std::string_view(text).substr(0, text.size() - 4));
  const SegmentCosts read = ReadSegmentCosts(dir / "c.jsonl");
  EXPECT_EQ(read.rows.size(), 1u);
  ASSERT_EQ(read.warnings.size(), 1u);
  EXPECT_THAT(read.warnings[0], HasSubstr("c.jsonl:3: the last line is cut off"));
}

TEST(SegmentCosts, RefusesWhatIsNotASegmentOfTheRun) {
  const TempDir dir;
  const auto expect_refused = [&](auto change, const char* what) {
    SegmentCosts costs = Costs();
    change(&costs);
    EXPECT_THAT([&] { WriteSegmentCosts(dir / "bad.jsonl", costs); },
                ThrowsMessage<UserError>(HasSubstr(what)));
  };
  using C = SegmentCosts*;
  expect_refused([](C c) { c->measure = "psnr"; }, "measure");
  expect_refused([](C c) { c->recipe.calls = 0; }, "calls");
  expect_refused([](C c) { c->rows[0].start = 0; }, "start must be between 1 and 4");
  expect_refused([](C c) { c->rows[0].start = 5; }, "start");
  expect_refused([](C c) { c->rows[0].skipped = 0; }, "skipped");
  expect_refused([](C c) { c->rows[0].skipped = 5; }, "skipped must be between 1 and 4");
  expect_refused([](C c) { c->rows[0].order = 1; }, "order");  // one call before it
  expect_refused([](C c) { c->rows[1].gap = 4; }, "gap");
  expect_refused([](C c) { c->rows[0].error = -1; }, "error");
  expect_refused([](C c) { c->rows[0].error = std::nan(""); }, "error");
  expect_refused([](C c) { c->rows[1] = c->rows[0]; }, "bad.jsonl:3: segments must be different");
}

TEST(SegmentCosts, MistakesNameTheLine) {
  const TempDir dir;
  const std::string header =
      R"({"format":"teacache-costs","version":1,"measure":"latent","model":"m","steps":5,"calls":5})"
      "\n";
  const auto expect_refused = [&](const std::string& text, const char* what) {
    AtomicWriteFile(dir / "c.jsonl", std::string_view(text));
    EXPECT_THAT([&] { ReadSegmentCosts(dir / "c.jsonl"); },
                ThrowsMessage<UserError>(HasSubstr(what)));
  };
  expect_refused("", "is empty");
  expect_refused("{}", "cut off");
  expect_refused("{}\n", "teacache-costs");
  expect_refused(header + "{}\n", "c.jsonl:2:1: must have the field \"prompt\"");
  expect_refused(header + R"({"prompt":"a","seed":0,"start":1,"skipped":1,"error":1,"x":2})" + "\n",
                 "\"x\"");
  EXPECT_THROW(ReadSegmentCosts(dir / "none"), UserError);
}

}  // namespace
}  // namespace teacache
