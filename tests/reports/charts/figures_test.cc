#include "reports/charts/figures.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "calib/fit/polynomial.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

std::vector<std::string> Ids(const Report& report) {
  std::vector<std::string> ids;
  for (const Figure& figure : ReportFigures(report)) ids.push_back(figure.id);
  return ids;
}

const ReportRow& RowOf(const Report& report, const std::string& id) {
  return *std::ranges::find(report.rows, id, &ReportRow::id);
}

TEST(ReportFigures, OnePerKindOfData) {
  EXPECT_THAT(Ids(SyntheticSweep({.everything = true})),
              ElementsAre("frontier",
                          "quality-psnr",
                          "quality-ssim",
                          "quality-lpips",
                          "quality-temporal_flickering",
                          "equal-calls",
                          "difference",
                          "spread",
                          "skip-map",
                          "replay",
                          "fit-fitted",
                          "fit-published",
                          "time"));
  Report plain = SyntheticSweep({.lpips = false});
  std::erase_if(plain.metrics, [](const MetricInfo& metric) { return !metric.needs_reference; });
  for (ReportRow& row : plain.rows) {
    row.scores.erase("temporal_flickering");
    for (ReportVideo& video : row.videos) video.replayed.clear();
  }
  EXPECT_THAT(Ids(plain),
              ElementsAre("frontier",
                          "quality-psnr",
                          "quality-ssim",
                          "equal-calls",
                          "difference",
                          "spread",
                          "skip-map",
                          "fit",
                          "time"));
}

// The report twice, under two models' names.
Report TwoModels() {
  Report report = SyntheticSweep({.everything = true});
  report.models.push_back(report.models[0]);
  report.models[1].name = "other";
  const size_t rows = report.rows.size();
  for (size_t i = 0; i < rows; ++i) {
    ReportRow row = report.rows[i];
    row.id = "other-" + row.id;
    row.model = "other";
    if (!row.matches.empty()) row.matches = "other-" + row.matches;
    report.rows.push_back(row);
  }
  const size_t comparisons = report.comparisons.size();
  for (size_t i = 0; i < comparisons; ++i) {
    ReportComparison comparison = report.comparisons[i];
    comparison.a = "other-" + comparison.a;
    comparison.b = "other-" + comparison.b;
    report.comparisons.push_back(comparison);
  }
  return report;
}

TEST(ReportFigures, SeveralModelsHaveTheirOwn) {
  const Report report = TwoModels();
  std::map<std::string, int> of_model;
  std::set<std::string> ids;
  for (const Figure& figure : ReportFigures(report)) {
    ++of_model[figure.model];
    EXPECT_TRUE(ids.insert(figure.id).second) << figure.id;
    EXPECT_THAT(figure.title, StartsWith(figure.model.empty() ? "" : figure.model + ": "));
  }
  EXPECT_EQ(of_model[""], 4);
  EXPECT_EQ(of_model["shapes"], 9);
  EXPECT_EQ(of_model["other"], 6);  // it has no fit and no choice
}

TEST(ReportFigures, NothingToDraw) { EXPECT_TRUE(ReportFigures({}).empty()); }

TEST(ReportFigures, EveryVariantIsJsonWithData) {
  for (const Figure& figure : ReportFigures(SyntheticSweep({.everything = true}))) {
    ASSERT_FALSE(figure.variants.empty()) << figure.id;
    for (const FigureVariant& variant : figure.variants) {
      const Json json = Json::parse(variant.json);
      EXPECT_FALSE(json.at("data").empty()) << figure.id << " " << variant.id;
      EXPECT_TRUE(json.at("layout").contains("xaxis")) << figure.id;
    }
    EXPECT_FALSE(figure.title.empty());
    EXPECT_FALSE(figure.caption.empty());
  }
}

// The one variant of that name; of figures with a single one, that.
Json Drawing(const Figure& figure, const std::string& variant = "") {
  const auto found = std::ranges::find(figure.variants, variant, &FigureVariant::id);
  EXPECT_NE(found, figure.variants.end()) << figure.id << " " << variant;
  return Json::parse(found == figure.variants.end() ? "{}" : found->json);
}

Json TraceNamed(const Json& drawing, const std::string& name) {
  for (const Json& trace : drawing["data"]) {
    if (trace["name"] == name) return trace;
  }
  ADD_FAILURE() << "no trace " << name;
  return {};
}

TEST(QualityFigure, PointsAndIntervalsAreTheRows) {
  const Report report = SyntheticSweep();
  const Figure figure = QualityFigure(report, "psnr");
  const Json speed = Drawing(figure, "speed");
  const Json calls = Drawing(figure, "calls");
  size_t points = 0;
  for (const Json& data : speed["data"]) {
    if (!data.contains("customdata")) continue;
    const Json other = TraceNamed(calls, data["name"]);
    for (size_t i = 0; i < data["customdata"].size(); ++i, ++points) {
      const ReportRow& row = RowOf(report, data["customdata"][i]);
      EXPECT_EQ(data["x"][i].get<double>(), row.speedup_total.value);
      EXPECT_EQ(data["y"][i].get<double>(), *row.scores.at("psnr").mean);
      EXPECT_NEAR(data["error_y"]["array"][i].get<double>(),
                  row.scores.at("psnr").ci95->hi - *row.scores.at("psnr").mean,
                  1e-12);
      EXPECT_NEAR(data["error_x"]["arrayminus"][i].get<double>(),
                  row.speedup_total.value - row.speedup_total.ci95->lo,
                  1e-12);
      EXPECT_NEAR(other["x"][i].get<double>(), row.computed_mean / 0.3, 1e-9);
    }
  }
  EXPECT_EQ(points, report.rows.size() - 1);
}

TEST(QualityFigure, FrontAndKneeAreTheReports) {
  const Report report = SyntheticSweep();
  const auto front = std::ranges::find(report.fronts, "psnr", &ReportFront::metric);
  ASSERT_NE(front, report.fronts.end());
  const Json drawing = Drawing(QualityFigure(report, "psnr"), "speed");
  const Json line = TraceNamed(drawing, "Pareto front");
  ASSERT_EQ(line["x"].size(), front->rows.size());
  for (size_t i = 0; i < front->rows.size(); ++i) {
    EXPECT_EQ(line["x"][i].get<double>(), RowOf(report, front->rows[i]).speedup_total.value);
    EXPECT_EQ(line["y"][i].get<double>(), *RowOf(report, front->rows[i]).scores.at("psnr").mean);
  }
  ASSERT_NE(front->knee, "");
  EXPECT_EQ(TraceNamed(drawing, "knee")["x"][0].get<double>(),
            RowOf(report, front->knee).speedup_total.value);
}

TEST(QualityFigure, SeveralModelsAreSeveralLines) {
  Report report = TwoModels();
  report.fronts.clear();
  std::set<std::string> names;
  const Json drawing = Drawing(QualityFigure(report, "ssim"), "speed");
  for (const Json& trace : drawing["data"]) {
    EXPECT_TRUE(names.insert(trace["name"]).second);
  }
  EXPECT_TRUE(names.contains("shapes: TeaCache, fitted"));
  EXPECT_TRUE(names.contains("other: TeaCache"));
  EXPECT_TRUE(names.contains("shapes: uniform skipping"));
  EXPECT_TRUE(names.contains("other: uniform skipping"));
}

TEST(QualityFigure, VeryManyPointsGoWithoutBars) {
  Report report = SyntheticSweep({.prompts = 1, .seeds = 1});
  const ReportRow row = report.rows[1];
  for (int i = 0; i < 2100; ++i) {
    report.rows.push_back(row);
    report.rows.back().id = fmt::format("more-{}", i);
  }
  const Figure figure = QualityFigure(report, "psnr");
  EXPECT_EQ(figure.variants[0].json.find("error_y"), std::string::npos);
  EXPECT_THAT(figure.caption, HasSubstr("the intervals stand in the table"));
}

TEST(EqualCallsFigure, EveryPolicyStandsAtTheCallsItWasGiven) {
  const Report report = SyntheticSweep();
  const Figure figure = EqualCallsFigure(report, "shapes");
  const Json drawing = Drawing(figure, "psnr");
  std::map<std::string, double> place;  // TeaCache row -> where it stands
  const Json teacache = TraceNamed(drawing, "TeaCache");
  for (size_t i = 0; i < teacache["x"].size(); ++i) {
    place[teacache["customdata"][i]] = std::round(teacache["x"][i].get<double>());
  }
  EXPECT_EQ(place.size(), 7u);
  size_t baselines = 0;
  for (const Json& trace : drawing["data"]) {
    for (size_t i = 0; i < trace["x"].size(); ++i) {
      const ReportRow& row = RowOf(report, trace["customdata"][i]);
      EXPECT_EQ(trace["y"][i].get<double>(), *row.scores.at("psnr").mean);
      if (row.matches.empty()) continue;
      ++baselines;
      EXPECT_EQ(std::round(trace["x"][i].get<double>()), place.at(row.matches)) << row.id;
    }
  }
  EXPECT_EQ(baselines, report.comparisons.size());
}

TEST(DifferenceFigure, OneMarkPerComparison) {
  const Report report = SyntheticSweep();
  const Json drawing = Drawing(DifferenceFigure(report, "shapes"), "psnr");
  size_t marks = 0;
  for (const Json& trace : drawing["data"]) marks += trace["y"].size();
  EXPECT_EQ(marks, report.comparisons.size());
  const Json uniform = TraceNamed(drawing, "TeaCache − uniform skipping");
  for (size_t i = 0; i < uniform["y"].size(); ++i) {
    const auto found = std::ranges::find_if(report.comparisons, [&](const auto& comparison) {
      return comparison.a == uniform["customdata"][i] &&
             RowOf(report, comparison.b).policy == "uniform";
    });
    ASSERT_NE(found, report.comparisons.end());
    EXPECT_EQ(uniform["y"][i].get<double>(), found->differences.at("psnr").mean);
  }
}

TEST(SkipMapFigure, SharesOfTheVideosSchedules) {
  const Report report = SyntheticSweep();
  const Json trace = Drawing(SkipMapFigure(report, "shapes"))["data"][0];
  ASSERT_EQ(trace["z"].size(), trace["customdata"].size());
  for (size_t i = 0; i < trace["z"].size(); ++i) {
    const ReportRow& row = RowOf(report, trace["customdata"][i][0]);
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
  Report report = SyntheticSweep();
  std::vector<ReportRow*> uniform;
  for (ReportRow& row : report.rows) {
    if (row.policy == "uniform") uniform.push_back(&row);
  }
  uniform[1]->computed_target = uniform[0]->computed_target;
  const Json json = Drawing(SkipMapFigure(report, "shapes"));
  const std::vector<int> lines = json["data"][0]["y"];
  EXPECT_EQ(std::set<int>(lines.begin(), lines.end()).size(), lines.size());
  EXPECT_EQ(json["layout"]["yaxis"]["ticktext"].size(), lines.size());
}

TEST(SkipMapFigure, FailedVideosDoNotCount) {
  Report report = SyntheticSweep();
  for (ReportVideo& video : report.rows[1].videos) video.error = "lost";
  const Json trace = Drawing(SkipMapFigure(report, "shapes"))["data"][0];
  for (const Json& ids : trace["customdata"]) EXPECT_NE(ids[0], report.rows[1].id);
}

TEST(ReplayFigure, ShowsOnlyWhatDiffers) {
  Report report = SyntheticSweep({.failed_video = false});
  const Json trace = Drawing(ReplayFigure(report, "shapes"))["data"][0];
  for (size_t i = 0; i < trace["z"].size(); ++i) {
    const ReportRow& row = RowOf(report, trace["customdata"][i][0]);
    for (int call = 0; call < row.calls; ++call) {
      double net = 0;
      for (const ReportVideo& video : row.videos) {
        net += static_cast<double>(video.computed[call]) - video.replayed[call];
      }
      EXPECT_NEAR(trace["z"][i][call].get<double>() * row.videos.size(), net, 1e-9);
    }
  }
  for (ReportRow& row : report.rows) {
    for (ReportVideo& video : row.videos) {
      if (!video.replayed.empty()) video.replayed = video.computed;
    }
  }
  EXPECT_TRUE(ReplayFigure(report, "shapes").variants.empty());
}

TEST(FitFigure, PolynomialThroughItsRange) {
  const Report report = SyntheticSweep();
  const ReportFit& fit = report.fits[0];
  const Json data = Drawing(FitFigure(report, fit))["data"];
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
  const Report report = SyntheticSweep();
  size_t expected = 0;
  for (const ReportRow& row : report.rows) {
    for (const ReportVideo& video : row.videos) expected += video.scores.contains("psnr");
  }
  const Json drawing = Drawing(SpreadFigure(report, "shapes"), "psnr");
  size_t marks = 0;
  for (const Json& trace : drawing["data"]) {
    marks += trace["y"].size();
  }
  EXPECT_EQ(marks, expected);
}

}  // namespace
}  // namespace teacache
