#include "reports/findings/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace teacache {
namespace {

ReportVideo Video(std::map<std::string, double> scores, bool identical = false) {
  ReportVideo video;
  video.scores = std::move(scores);
  video.identical = identical;
  return video;
}

ReportRow Row(const std::string& id, const std::string& policy, std::vector<ReportVideo> videos) {
  ReportRow row;
  row.id = id;
  row.policy = policy;
  row.videos = std::move(videos);
  return row;
}

Report TwoSettings() {
  Report report;
  report.metrics = {UndescribedMetric("psnr"), UndescribedMetric("lpips")};
  ReportVideo failed = Video({{"psnr", 1}, {"lpips", 1}});
  failed.error = "cut off";
  report.rows = {
      Row("none", "none", {Video({})}),
      Row("teacache-0.1",
          "teacache",
          {Video({{"psnr", 40}, {"lpips", 0.1}}), Video({{"lpips", 0}}, true), failed}),
      Row("teacache-0.2",
          "teacache",
          {Video({{"psnr", 30}, {"lpips", 0.3}}), Video({{"psnr", 20}, {"lpips", 0.2}})})};
  return report;
}

TEST(CheckReport, EverySettingButTheUncachedOne) {
  const Report report = TwoSettings();
  const auto outcomes = CheckReport(report, ParseRequirements({"psnr>=28", "lpips.worst<=0.2"}));
  ASSERT_EQ(outcomes.size(), 4u);
  EXPECT_TRUE(outcomes[0].met);
  EXPECT_FALSE(outcomes[1].met);
  EXPECT_TRUE(outcomes[2].met);
  EXPECT_FALSE(outcomes[3].met);
  EXPECT_EQ(ExitCodeOf(outcomes, 0), 3);
  EXPECT_EQ(BreachLines(outcomes),
            "teacache-0.2: psnr>=28 failed: the mean is 25\n"
            "teacache-0.2: lpips.worst<=0.2 failed: the worst is 0.3\n");
}

TEST(CheckReport, IdenticalVideosAreInfinite) {
  const auto outcomes = CheckReport(TwoSettings(), ParseRequirements({"psnr.max>=1000"}));
  EXPECT_TRUE(outcomes[0].met);
  EXPECT_EQ(outcomes[0].value, std::numeric_limits<double>::infinity());
}

TEST(CheckReport, AMetricThatIsMissing) {
  const auto outcomes = CheckReport(TwoSettings(), ParseRequirements({"ssim>=0.9"}));
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(outcomes[0].missing);
  EXPECT_EQ(ExitCodeOf(outcomes, 0), 1);
  Report empty = TwoSettings();
  empty.rows.resize(1);
  EXPECT_EQ(ExitCodeOf(CheckReport(empty, ParseRequirements({"psnr>=1"})), 0), 1);
}

}  // namespace
}  // namespace teacache
