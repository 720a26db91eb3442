#include "reports/data/run_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/base/version.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

TEST(DescribeRun, SaysWhereItRuns) {
  const ReportContext context = DescribeRun({"/usr/bin/sweep-report", "--out", "a/b"}, "cpu", 2);
  EXPECT_EQ(context.tool_version, kVersion);
  EXPECT_THAT(context.argv, ElementsAre("sweep-report", "--out", "a/b"));
  EXPECT_EQ(context.device, "cpu");
  EXPECT_EQ(context.threads, 2);
  EXPECT_THAT(context.started, MatchesRegex("20..-..-..T..:..:..Z"));
  EXPECT_THAT(context.git_commit, MatchesRegex("([0-9a-f]+(-dirty)?)?"));
  EXPECT_THAT(context.cpu, MatchesRegex("[0-9]+ × .+"));
  EXPECT_FALSE(context.machine.empty());
  EXPECT_FALSE(context.os.empty());
  EXPECT_GE(context.load, 0);
  ASSERT_EQ(context.libraries.size(), 2u);
  EXPECT_THAT(context.libraries[0].second, MatchesRegex("[0-9]+\\.[0-9]+.*"));
}

TEST(UtcTime, KnownMoments) {
  EXPECT_EQ(UtcTime(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(UtcTime(1767323045), "2026-01-02T03:04:05Z");
}

}  // namespace
}  // namespace teacache
