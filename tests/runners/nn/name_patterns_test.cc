#include "runners/nn/name_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Fold(const std::vector<std::string>& names) {
  std::map<std::string, std::string> remarks;
  for (const std::string& name : names) remarks[name] = "";
  return FoldNames(remarks);
}

TEST(FoldNames, BlocksBecomeRanges) {
  std::vector<std::string> names;
  for (int block = 0; block < 12; ++block) {
    for (const char* layer : {"q", "k", "out.0"}) {
      for (const char* leaf : {"weight", "bias"}) {
        names.push_back("blocks." + std::to_string(block) + "." + layer + "." + leaf);
      }
    }
  }
  EXPECT_THAT(
      Fold(names),
      ElementsAre("blocks.{0..11}.out.0.{bias,weight}", "blocks.{0..11}.{k,q}.{bias,weight}"));
}

TEST(FoldNames, OnlyWhatIsAlikeIsJoined) {
  EXPECT_THAT(Fold({"a.0.w", "a.1.w", "a.1.b", "a.3.w"}), ElementsAre("a.1.{b,w}", "a.{0,3}.w"));
  EXPECT_THAT(Fold({"a.1", "a.2", "a.10", "a.x"}), ElementsAre("a.{1..2,10,x}"));
  EXPECT_THAT(Fold({"a", "a.b", "b"}), ElementsAre("a", "a.b", "b"));
  EXPECT_THAT(Fold({"a.01", "a.1", "a.2"}), ElementsAre("a.{1..2,01}"));
}

TEST(FoldNames, RemarksKeepNamesApart) {
  EXPECT_THAT(FoldNames({{"a.0.w", " is [1]"}, {"a.1.w", " is [1]"}, {"a.2.w", " is [2]"}}),
              ElementsAre("a.2.w is [2]", "a.{0..1}.w is [1]"));
}

TEST(FoldNames, OddNames) {
  EXPECT_THAT(Fold({}), IsEmpty());
  EXPECT_THAT(Fold({""}), ElementsAre(""));
  EXPECT_THAT(Fold({"a..b", ".c"}), ElementsAre(".c", "a..b"));
  EXPECT_THAT(Fold({"a.99999999999999999999"}), ElementsAre("a.99999999999999999999"));
}

}  // namespace
}  // namespace teacache
