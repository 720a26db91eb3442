#include "runners/use_coefficients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

SystemInfo Shapes() {
  SystemInfo info;
  info.name = "shapes";
  info.modulated = "input";
  info.scheduler = "rflow";
  info.dtype = "float32";
  info.steps = info.calls = 24;
  info.guidance = 3;
  info.width = info.height = 32;
  info.frames = 8;
  return info;
}

Coefficients Fitted() {
  Coefficients c;
  c.set.coefficients = {1, 0};
  c.set.x_min = 0.1;
  c.set.x_max = 0.4;
  c.set.threshold = 0.7;
  const SystemInfo info = Shapes();
  c.provenance.model = info.name;
  c.provenance.modulated = info.modulated;
  c.provenance.scheduler = info.scheduler;
  c.provenance.dtype = info.dtype;
  c.provenance.steps = info.steps;
  c.provenance.guidance = info.guidance;
  c.provenance.width = info.width;
  c.provenance.height = info.height;
  c.provenance.frames = info.frames;
  return c;
}

TEST(UseCoefficients, OfTheSameRecipeWithoutAWord) {
  const UsedCoefficients used = UseCoefficients(Fitted(), "c.json", Shapes());
  EXPECT_THAT(used.warnings, IsEmpty());
  EXPECT_EQ(used.set.threshold, 0.7);
}

TEST(UseCoefficients, AnotherModelOrSignalIsRefused) {
  Coefficients other = Fitted();
  other.provenance.model = "latte";
  EXPECT_THAT([&] { UseCoefficients(other, "c.json", Shapes()); },
              ThrowsMessage<UserError>(HasSubstr("c.json: must be fitted to the model shapes")));
  EXPECT_THAT(UseCoefficients(other, "c.json", Shapes(), true).warnings,
              ElementsAre(HasSubstr("but is to latte")));
  other = Fitted();
  other.provenance.modulated = "time";
  EXPECT_THAT([&] { UseCoefficients(other, "c.json", Shapes()); },
              ThrowsMessage<UserError>(HasSubstr("is to the time embedding")));
  EXPECT_THAT(UseCoefficients(other, "c.json", Shapes(), true).warnings,
              ElementsAre(HasSubstr("the time embedding")));
}

TEST(UseCoefficients, ExpertsAreRefused) {
  Coefficients experts = Fitted();
  experts.experts["high"].coefficients = {2, 0};
  experts.experts["low"].coefficients = {3, 0};
  EXPECT_THAT([&] { UseCoefficients(experts, "c.json", Shapes()); },
              ThrowsMessage<UserError>(HasSubstr("experts (high, low)")));
  EXPECT_EQ(UseCoefficients(experts, "c.json", Shapes(), true).set.coefficients[0], 2);
}

TEST(UseCoefficients, AnotherRecipeIsAWarningEach) {
  SystemInfo info = Shapes();
  info.scheduler = "ddim";
  info.steps = 50;
  info.guidance = 7.5;
  info.dtype = "bfloat16";
  info.frames = 16;
  EXPECT_THAT(UseCoefficients(Fitted(), "c.json", info).warnings,
              ElementsAre(HasSubstr("scheduler rflow, but this run has ddim"),
                          HasSubstr("steps 24"),
                          HasSubstr("guidance 3"),
                          HasSubstr("dtype float32"),
                          HasSubstr("size 32x32x8, but this run has 32x32x16")));
  // What a file does not say is not compared, except that it is another thing than the model's.
  Coefficients silent;
  silent.set.coefficients = {1, 0};
  EXPECT_THAT(UseCoefficients(silent, "c.json", info).warnings,
              ElementsAre(HasSubstr("does not say which model")));
}

TEST(CountOutside, LooksAtDecidedCalls) {
  std::vector<CallRecord> calls(4);
  calls[0].decision.forced = true;
  calls[0].r = 9;
  calls[1].r = 0.05;
  calls[2].r = 0.2;
  calls[3].r = 0.5;
  EXPECT_EQ(CountOutside(calls, {0.1, 0.4}).outside, 2);
  EXPECT_EQ(CountOutside(calls, {0.1, 0.4}).decided, 3);
  EXPECT_EQ(CountOutside(calls, {}).outside, 0);
}

}  // namespace
}  // namespace teacache
