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
  costs.rows.push_back({"a cat", 0, {1, 4, {}}, 0.125});
  costs.rows.push_back({"a cat", 0, {3, 2, {2}}, 1.0 / 3});
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
  EXPECT_EQ(row.segment, (Segment{3, 2, {2}}));
  EXPECT_EQ(row.segment.order(), 1);
  EXPECT_EQ(row.error, 1.0 / 3);
  const std::string text = ReadFile(dir / "c.jsonl");
  EXPECT_THAT(text.substr(0, text.rfind('{')), Not(HasSubstr("gaps")));  // at its default
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
  expect_refused([](C c) { c->rows[0].segment.start = 0; }, "start must be between 1 and 4");
  expect_refused([](C c) { c->rows[0].segment.start = 5; }, "start");
  expect_refused([](C c) { c->rows[0].segment.skipped = 0; }, "skipped");
  expect_refused([](C c) { c->rows[0].segment.skipped = 5; }, "skipped must be between 1 and 4");
  // Only call 0 is before it.
  expect_refused([](C c) { c->rows[0].segment.gaps = {1}; }, "gaps must not lead back beyond");
  expect_refused([](C c) { c->rows[1].segment.gaps = {3}; }, "gaps must not lead back beyond");
  expect_refused([](C c) { c->rows[1].segment.gaps = {0}; }, "gaps must be numbers");
  expect_refused([](C c) { c->rows[1].segment.gaps = {1, 1, 1}; }, "gaps must be at most 2");
  expect_refused([](C c) { c->rows[0].error = -1; }, "error");
  expect_refused([](C c) { c->rows[0].error = std::nan(""); }, "error");
  expect_refused([](C c) { c->rows[1] = c->rows[0]; }, "bad.jsonl:3: segments must be different");
}

TEST(SegmentCosts, PartsAreMerged) {
  const TempDir dir;
  SegmentCosts costs = Costs();
  costs.recipe.parts = 2;
  WriteSegmentCosts(dir / "a.jsonl", costs);
  for (SegmentCost& row : costs.rows) row.seed = 1;
  costs.recipe.part = 1;
  WriteSegmentCosts(dir / "b.jsonl", costs);
  EXPECT_EQ(MergeSegmentCosts({dir / "a.jsonl", dir / "b.jsonl"}).rows.size(), 4u);
  EXPECT_THAT(
      [&] {
        MergeSegmentCosts({dir / "a.jsonl", dir / "a.jsonl"});
      },
      ThrowsMessage<UserError>(HasSubstr("is in another file too")));
  costs.recipe.calls = 6;
  WriteSegmentCosts(dir / "b.jsonl", costs);
  EXPECT_THAT(
      [&] {
        MergeSegmentCosts({dir / "a.jsonl", dir / "b.jsonl"});
      },
      ThrowsMessage<UserError>(HasSubstr("differs in calls (5 and 6)")));
}

TEST(SegmentCostsWriter, GoesOnAfterACutLine) {
  const TempDir dir;
  const std::string path = dir / "c.jsonl";
  const SegmentCosts costs = Costs();
  {
    SegmentCostsWriter writer(path, costs.recipe, costs.measure);
    writer.Append(costs.rows);
    EXPECT_THROW(SegmentCostsWriter(path, costs.recipe, costs.measure), UserError);  // in use
  }
  const std::string whole = ReadFile(path);
  for (const size_t cut : {size_t{4}, whole.size() - 9}) {  // in the last row, in the header
    AtomicWriteFile(path, std::string_view(whole).substr(0, whole.size() - cut));
    SegmentCostsWriter writer(path, costs.recipe, costs.measure);
    EXPECT_FALSE(writer.Has("a cat", 0, costs.rows[1].segment));
    writer.Append(costs.rows);  // what is there is left out
    EXPECT_TRUE(writer.Has("a cat", 0, costs.rows[1].segment));
    EXPECT_FALSE(writer.Has("a cat", 1, costs.rows[1].segment));
    EXPECT_EQ(ReadFile(path), whole);
  }
}

TEST(SegmentCostsWriter, RefusesOtherSettings) {
  const TempDir dir;
  const std::string path = dir / "c.jsonl";
  SegmentCosts costs = Costs();
  WriteSegmentCosts(path, costs);
  EXPECT_THAT([&] { SegmentCostsWriter(path, costs.recipe, "latent"); },
              ThrowsMessage<UserError>(HasSubstr("differs in measure")));
  costs.recipe.dtype = "bfloat16";
  EXPECT_THAT([&] { SegmentCostsWriter(path, costs.recipe, "residual"); },
              ThrowsMessage<UserError>(HasSubstr("differs in dtype")));
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
