#include "reports/sweep/model_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/error.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;

const std::vector<std::string> kModels = {"a", "a-b"};

TEST(ArgumentsFor, OwnFlagsComeBeforeThoseOfAll) {
  const std::vector<std::string> arguments = {"--steps",
                                              "8",
                                              "--a.steps",
                                              "4",
                                              "--a-b.dtype",
                                              "x",
                                              "--guidance",
                                              "-1",
                                              "--a.offload",
                                              "--a.coeffs=[1, 0]"};
  EXPECT_THAT(ArgumentsFor("a", kModels, arguments),
              ElementsAre("--steps", "4", "--guidance", "-1", "--offload", "--coeffs=[1, 0]"));
  EXPECT_THAT(ArgumentsFor("a-b", kModels, arguments),
              ElementsAre("--steps", "8", "--dtype", "x", "--guidance", "-1"));
  EXPECT_THAT(ArgumentsFor("", kModels, arguments),
              ElementsAre("--steps", "8", "--guidance", "-1"));
}

TEST(ArgumentsFor, LeavesOtherWordsAlone) {
  const std::vector<std::string> arguments = {"word", "--c.steps", "8", "--help"};
  EXPECT_EQ(ArgumentsFor("a", kModels, arguments), arguments);
}

TEST(CheckModelFlags, NamesWhatIsTyped) {
  EXPECT_NO_THROW(CheckModelFlags(kModels, {"a"}, {"--out"}, {"--out", "x", "--a.steps", "8"}));
  EXPECT_THROW(CheckModelFlags(kModels, {"a"}, {"--out"}, {"--a-b.steps", "8"}), UserError);
  EXPECT_THROW(CheckModelFlags(kModels, {"a"}, {"--out"}, {"--a.out=x"}), UserError);
}

}  // namespace
}  // namespace teacache
