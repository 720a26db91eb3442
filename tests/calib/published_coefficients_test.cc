#include "calib/published_coefficients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "datasets/base/error.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;
using Kind = Likeness::Kind;

TEST(PublishedSets, AreComplete) {
  std::set<std::string> names;
  for (const PublishedSet& set : PublishedSets()) {
    EXPECT_TRUE(names.insert(set.name).second) << set.name;
    EXPECT_FALSE(set.title.empty());
    EXPECT_FALSE(set.signal.empty());
    EXPECT_FALSE(set.source.empty());
    // Degree 4, except lines and LightX2V's degree 5.
    EXPECT_EQ(set.coefficients.size(),
              set.name == "identity" || !set.sampler.empty() ? 2u
              : set.name == "wan2.2-ti2v-720p"               ? 6u
                                                             : 5u)
        << set.name;
  }
  EXPECT_GE(names.size(), 45u);
}

TEST(PublishedSets, WithTheirSamplers) {
  const Coefficients euler = ResolveCoefficients("ltx-2-euler");
  EXPECT_EQ(euler.set.threshold, 0.5);
  EXPECT_EQ(euler.provenance.scheduler, "Euler");
  EXPECT_EQ(FindPublishedSet("ltx-2-res2s").threshold, 1.0);
  EXPECT_EQ(FindPublishedSet("ltx-2-res2s").sampler, "res_2s");
}

TEST(FindPublishedSet, ByName) {
  EXPECT_EQ(FindPublishedSet("latte").coefficients[0], -2464.34137);
  EXPECT_THAT([] { FindPublishedSet("flux-dev"); },
              ThrowsMessage<UserError>(HasSubstr("near names: ")));
}

TEST(FindLikenesses, EveryPublishedSetIsItself) {
  for (const PublishedSet& set : PublishedSets()) {
    const auto likenesses = FindLikenesses(set.coefficients);
    ASSERT_FALSE(likenesses.empty()) << set.name;
    EXPECT_EQ(likenesses[0].kind, Kind::kSame);
    EXPECT_EQ(likenesses[0].name, set.name);
    for (const Likeness& likeness : likenesses) {
      EXPECT_TRUE(likeness.name == set.name || likeness.kind == Kind::kAllRound)
          << set.name << " is also like " << likeness.name;
    }
  }
}

TEST(FindLikenesses, BorrowedTables) {
  // TensorRT-LLM's first FLUX.1 table.
  const auto trt = FindLikenesses(
      {2.57151496e+05, -3.54229917e+04, 1.40286849e+03, -1.35890334e+01, 1.32517977e-01});
  ASSERT_EQ(trt.size(), 1u);
  EXPECT_EQ(trt[0].name, "wan2.1-i2v-480p-ret");
  EXPECT_THAT(trt[0].text,
              HasSubstr("These are the numbers of Wan2.1-I2V-480P with use_ret_steps"));
}

TEST(FindLikenesses, Slips) {
  // BasiWan's first number for Wan2.1-14B.
  const auto near =
      FindLikenesses({-5784.54137548, 5449.50911966, -1811.16591783, 256.27178429, -13.02252404});
  ASSERT_FALSE(near.empty());
  EXPECT_EQ(near[0].kind, Kind::kNear);
  EXPECT_EQ(near[0].name, "wan2.1-t2v-14b");
  const auto digit =
      FindLikenesses({498.651651, -283.781631, 55.8554382, -3.82021401, 0.264230961});
  EXPECT_EQ(digit[0].kind, Kind::kNear);
  const auto sign = FindLikenesses({498.651651, 283.781631, 55.8554382, -3.82021401, 0.264230861});
  EXPECT_EQ(sign[0].kind, Kind::kOneChanged);
  EXPECT_EQ(sign[0].name, "flux.1-dev");
  EXPECT_THAT(sign[0].text, HasSubstr("one digit or sign off"));
  const auto rounded = FindLikenesses({498.65, -283.78, 55.855, -3.8202, 0.26423});
  EXPECT_EQ(rounded[0].kind, Kind::kRounded);
  const auto reversed =
      FindLikenesses({0.264230861, -3.82021401, 55.8554382, -283.781631, 498.651651});
  EXPECT_EQ(reversed[0].kind, Kind::kReversed);
}

TEST(FindLikenesses, RoundNumbers) {
  const auto qwen = FindLikenesses({-450, 280, -45, 3.2, -0.02});
  ASSERT_EQ(qwen.size(), 2u);
  EXPECT_EQ(qwen[1].kind, Kind::kAllRound);
  const auto other = FindLikenesses({100, -20, 3, 0.5, 0.01});
  ASSERT_EQ(other.size(), 1u);
  EXPECT_EQ(other[0].kind, Kind::kAllRound);
}

TEST(FindLikenesses, NothingAlike) {
  EXPECT_THAT(FindLikenesses({123.456789, -9.87654321, 1.23456789, 4.56789123, 0.123456789}),
              IsEmpty());
  EXPECT_THAT(FindLikenesses({}), IsEmpty());
}

TEST(ResolveCoefficients, NamesListsAndFiles) {
  EXPECT_EQ(ResolveCoefficients("mochi").set.coefficients[0], -3512.41319);
  EXPECT_EQ(ResolveCoefficients("mochi").provenance.modulated, "modulated input");
  for (const char* text : {"[1, -2.5, 3e-2]", "1,-2.5,0.03", " 1 -2.5 .03 ", "(1; -2.5; 0.03)"}) {
    EXPECT_EQ(ResolveCoefficients(text).set.coefficients, (std::vector<double>{1, -2.5, 0.03}))
        << text;
  }
  TempDir dir;
  Coefficients coefficients;
  coefficients.set.coefficients = {7, 8};
  WriteCoefficients(dir / "c.json", coefficients);
  EXPECT_EQ(ResolveCoefficients(dir / "c.json").set.coefficients, (std::vector<double>{7, 8}));
  EXPECT_THROW(ResolveCoefficients(dir / "none.json"), UserError);
  EXPECT_THROW(ResolveCoefficients("1, two"), UserError);
  EXPECT_THROW(ResolveCoefficients("[1, 2"), UserError);
  EXPECT_THROW(ResolveCoefficients("1, nan"), UserError);
  EXPECT_THROW(ResolveCoefficients(""), UserError);
  std::ofstream(dir / "bad.json") << "{";
  EXPECT_THROW(ResolveCoefficients(dir / "bad.json"), UserError);
}

}  // namespace
}  // namespace teacache
