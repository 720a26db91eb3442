#include "reports/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "calib/polynomial.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

std::vector<std::string> Ids(const SweepReport& report) {
  std::vector<std::string> ids;
  for (const Figure& figure : ReportFigures(report)) ids.push_back(figure.id);
  return ids;
}

const SweepRow& RowOf(const SweepReport& report, const std::string& id) {
  return *std::ranges::find(report.rows, id, &SweepRow::id);
}

TEST(ReportFigures, OnePerKindOfData) {
  EXPECT_THAT(Ids(SyntheticSweep()),
              ElementsAre("quality-psnr",
                          "quality-ssim",
                          "quality-lpips",
                          "difference",
                          "spread",
                          "skip-map",
                          "fit",
                          "time"));
  EXPECT_THAT(
      Ids(SyntheticSweep({.lpips = false})),
      ElementsAre(
          "quality-psnr", "quality-ssim", "difference", "spread", "skip-map", "fit", "time"));
}

TEST(ReportFigures, NothingToDraw) { EXPECT_TRUE(ReportFigures({}).empty()); }

TEST(ReportFigures, EveryFigureIsJsonWithData) {
  for (const Figure& figure : ReportFigures(SyntheticSweep())) {
    const Json json = Json::parse(figure.json);
    EXPECT_FALSE(json.at("data").empty()) << figure.id;
    EXPECT_TRUE(json.at("layout").contains("xaxis")) << figure.id;
    EXPECT_FALSE(figure.title.empty());
    EXPECT_FALSE(figure.caption.empty());
  }
}

TEST(QualityFigure, PointsAndIntervalsAreTheRows) {
  const SweepReport report = SyntheticSweep();
  const Figure figure = QualityFigure(report, "psnr");
  const Json speed = Json::parse(figure.json);
  const Json calls = Json::parse(figure.calls_json);
  ASSERT_EQ(speed["data"].size(), 3u);
  EXPECT_EQ(speed["data"][0]["name"], "TeaCache");
  EXPECT_EQ(speed["data"][1]["name"], "uniform skipping");
  size_t points = 0;
  for (size_t trace = 0; trace < 3; ++trace) {
    const Json& data = speed["data"][trace];
    for (size_t i = 0; i < data["customdata"].size(); ++i, ++points) {
      const SweepRow& row = RowOf(report, data["customdata"][i]);
      EXPECT_EQ(data["x"][i].get<double>(), row.speedup_total.value);
      EXPECT_EQ(data["y"][i].get<double>(), *row.psnr->mean);
      EXPECT_NEAR(
          data["error_y"]["array"][i].get<double>(), row.psnr->ci95->hi - *row.psnr->mean, 1e-12);
      EXPECT_NEAR(data["error_x"]["arrayminus"][i].get<double>(),
                  row.speedup_total.value - row.speedup_total.ci95->lo,
                  1e-12);
      EXPECT_NEAR(calls["data"][trace]["x"][i].get<double>(), row.computed_mean / 0.3, 1e-9);
    }
  }
  EXPECT_EQ(points, report.rows.size() - 1);
}

TEST(QualityFigure, SeveralModelsAreSeveralLines) {
  SweepReport report = SyntheticSweep();
  report.models.push_back(report.models[0]);
  report.models[1].name = "other";
  const size_t rows = report.rows.size();
  for (size_t i = 0; i < rows; ++i) {
    SweepRow row = report.rows[i];
    row.id = "other-" + row.id;
    row.model = "other";
    if (!row.matches.empty()) row.matches = "other-" + row.matches;
    report.rows.push_back(row);
  }
  const Json json = Json::parse(QualityFigure(report, "ssim").json);
  std::vector<std::string> names;
  for (const Json& trace : json["data"]) names.push_back(trace["name"]);
  EXPECT_THAT(names,
              ElementsAre("shapes: TeaCache",
                          "shapes: uniform skipping",
                          "shapes: fewer steps",
                          "other: TeaCache",
                          "other: uniform skipping",
                          "other: fewer steps"));
}

TEST(DifferenceFigure, OneMarkPerComparison) {
  const SweepReport report = SyntheticSweep();
  const Json json = Json::parse(DifferenceFigure(report).json);
  size_t marks = 0;
  for (const Json& trace : json["data"]) marks += trace["y"].size();
  EXPECT_EQ(marks, report.comparisons.size());
  EXPECT_EQ(json["data"][0]["name"], "TeaCache − uniform skipping");
  EXPECT_EQ(json["data"][0]["y"][0].get<double>(), report.comparisons[0].psnr->mean);
}

TEST(SkipMapFigure, SharesOfTheVideosSchedules) {
  const SweepReport report = SyntheticSweep();
  const Json trace = Json::parse(SkipMapFigure(report).json)["data"][0];
  ASSERT_EQ(trace["z"].size(), trace["customdata"].size());
  for (size_t i = 0; i < trace["z"].size(); ++i) {
    const SweepRow& row = RowOf(report, trace["customdata"][i][0]);
    double sum = 0;
    for (const double share : trace["z"][i]) sum += share;
    EXPECT_EQ(trace["z"][i].size(), 30u);
    EXPECT_NEAR(sum, row.computed_mean, 1e-9) << row.id;
    EXPECT_EQ(trace["z"][i][0], 1.0);
  }
  // TeaCache on top: plotly draws the last line uppermost.
  EXPECT_EQ(trace["customdata"].back()[0], "teacache-0.03");
}

TEST(SkipMapFigure, EqualLabelsStayTwoLines) {
  SweepReport report = SyntheticSweep();
  std::vector<SweepRow*> uniform;
  for (SweepRow& row : report.rows) {
    if (row.policy == "uniform") uniform.push_back(&row);
  }
  uniform[1]->computed_target = uniform[0]->computed_target;
  const Json json = Json::parse(SkipMapFigure(report).json);
  const std::vector<int> lines = json["data"][0]["y"];
  EXPECT_EQ(std::set<int>(lines.begin(), lines.end()).size(), lines.size());
  EXPECT_EQ(json["layout"]["yaxis"]["ticktext"].size(), lines.size());
}

TEST(SkipMapFigure, FailedVideosDoNotCount) {
  SweepReport report = SyntheticSweep();
  for (SweepVideo& video : report.rows[1].videos) video.error = "lost";
  const Json trace = Json::parse(SkipMapFigure(report).json)["data"][0];
  for (const Json& ids : trace["customdata"]) EXPECT_NE(ids[0], report.rows[1].id);
}

TEST(FitFigure, PolynomialThroughItsRange) {
  const SweepReport report = SyntheticSweep();
  const SweepFit& fit = report.fits[0];
  const Json data = Json::parse(FitFigure(report, fit).json)["data"];
  ASSERT_EQ(data.size(), 2u);
  EXPECT_EQ(data[0]["x"].size(), fit.pairs.size());
  const Polynomial polynomial(fit.coefficients);
  EXPECT_DOUBLE_EQ(data[1]["x"].front(), fit.x_range.lo);
  EXPECT_DOUBLE_EQ(data[1]["x"].back(), fit.x_range.hi);
  for (size_t i = 0; i < data[1]["x"].size(); ++i) {
    EXPECT_DOUBLE_EQ(data[1]["y"][i], polynomial(data[1]["x"][i]));
  }
}

TEST(SpreadFigure, OneMarkPerScoredVideo) {
  const SweepReport report = SyntheticSweep();
  size_t expected = 0;
  for (const SweepRow& row : report.rows) {
    for (const SweepVideo& video : row.videos) expected += video.psnr.has_value();
  }
  const std::string text = SpreadFigure(report).json;
  const Json json = Json::parse(text);
  size_t marks = 0;
  for (const Json& trace : json["data"]) marks += trace["y"].size();
  EXPECT_EQ(marks, expected);
  // Plotly reads labels as HTML.
  EXPECT_EQ(text.find("<b>prompt</b>"), std::string::npos);
}

}  // namespace
}  // namespace teacache
