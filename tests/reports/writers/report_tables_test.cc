#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "reports/findings/labels.h"
#include "reports/writers/paper_table.h"
#include "reports/writers/report_csv.h"
#include "reports/writers/report_markdown.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// RFC 4180, independent of the writer.
std::vector<std::vector<std::string>> ParseCsv(const std::string& text) {
  std::vector<std::vector<std::string>> lines(1, {""});
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        lines.back().back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        lines.back().back() += '"';
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      lines.back().emplace_back();
    } else if (c == '\n') {
      if (i + 1 < text.size()) lines.push_back({""});
    } else {
      lines.back().back() += c;
    }
  }
  return lines;
}

std::vector<std::map<std::string, std::string>> Records(const std::string& text) {
  const auto lines = ParseCsv(text);
  std::vector<std::map<std::string, std::string>> records;
  for (size_t i = 1; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].size(), lines[0].size()) << "line " << i;
    records.emplace_back();
    for (size_t j = 0; j < lines[0].size(); ++j) records.back()[lines[0][j]] = lines[i][j];
  }
  return records;
}

TEST(ReportCsv, HoldsTheNumbersOfTheReport) {
  const Report report = SyntheticSweep();
  const auto records = Records(ReportCsv(report));
  ASSERT_EQ(records.size(), report.rows.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const ReportRow& row = report.rows[i];
    EXPECT_EQ(records[i].at("id"), row.id);
    EXPECT_EQ(std::stod(records[i].at("computed_mean")), row.computed_mean);
    EXPECT_EQ(std::stod(records[i].at("total_seconds")), row.total.median);
    if (row.scores.contains("psnr")) {
      EXPECT_EQ(std::stod(records[i].at("psnr")), *row.scores.at("psnr").mean);
      EXPECT_EQ(std::stod(records[i].at("psnr_hi")), row.scores.at("psnr").ci95->hi);
    } else {
      EXPECT_EQ(records[i].at("psnr"), "");
    }
    EXPECT_EQ(std::stod(records[i].at("adherence_shape")), row.adherence[0].share);
  }
}

TEST(VideosCsv, OneLinePerVideoWithEscapedPrompts) {
  const Report report = SyntheticSweep();
  const auto records = Records(VideosCsv(report));
  size_t videos = 0;
  for (const ReportRow& row : report.rows) videos += row.videos.size();
  ASSERT_EQ(records.size(), videos);
  EXPECT_EQ(records[15].at("text"), report.context.test_prompts.back());
  EXPECT_EQ(records[0].at("schedule"), "c" + std::string(30, '1'));
  int failed = 0;
  for (const auto& record : records) failed += !record.at("error").empty();
  EXPECT_EQ(failed, 1);
}

TEST(VideosCsv, EmptyReportHasOnlyTheHead) {
  EXPECT_EQ(Records(VideosCsv({})).size(), 0u);
  EXPECT_EQ(Records(ReportCsv({})).size(), 0u);
}

TEST(ReportMarkdown, OneTableLinePerSetting) {
  const Report report = SyntheticSweep();
  std::string text = ReportMarkdown(report);
  std::erase(text, '\\');  // see NamesAreEscaped
  for (const ReportRow& row : report.rows)
    EXPECT_THAT(text, HasSubstr("| " + RowLabel(row) + " |"));
  for (const std::string& sentence : ConclusionTexts(report))
    EXPECT_THAT(text, HasSubstr(sentence));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
}

TEST(ReportMarkdown, FitPromptsAreNamedWhereThereAreAny) {
  Report report = SyntheticSweep();
  EXPECT_THAT(ReportMarkdown(report), HasSubstr("; coefficients from 8 other prompts. Time:"));
  report.context.fit_prompts.clear();
  EXPECT_THAT(ReportMarkdown(report), HasSubstr("95 % intervals in brackets. Time:"));
}

TEST(ReportMarkdown, PipesDoNotEndACell) {
  Report report;
  report.models.emplace_back().name = "m";
  ReportRow row;
  row.model = "m";
  row.policy = "own|policy";
  report.rows = {row};
  EXPECT_THAT(ReportMarkdown(report), HasSubstr("| own\\|policy |"));
}

TEST(ReportMarkdown, NamesAreEscaped) {
  Report report;
  ReportModel& model = report.models.emplace_back();
  model.name = "<b>m</b>\n# no heading";
  model.description = "a *bold* `one` [link](x)";
  report.context.warnings = {"~~file~~_1"};
  const std::string text = ReportMarkdown(report);
  EXPECT_THAT(text, HasSubstr("## \\<b>m\\</b> # no heading\n"));
  EXPECT_THAT(text, HasSubstr("a \\*bold\\* \\`one\\` \\[link\\](x)"));
  EXPECT_THAT(text, HasSubstr("Note: \\~\\~file\\~\\~\\_1\n"));
}

// In the form of the paper's table 1, with its rows below what was measured.
TEST(PaperTable, PublishedRowsAreMarked) {
  Report report = SyntheticSweep({.lpips = false});
  report.models[0].name = "latte";
  for (ReportRow& row : report.rows) row.model = "latte";
  const std::string text = PaperTableMarkdown(report, report.models[0]);
  EXPECT_THAT(
      text,
      HasSubstr("| Method | Videos | Computed calls | FLOPs (P) ↓ | Speedup ↑ | Latency (s) ↓ "
                "| VBench (%) ↑ | temporal flickering ↑ | LPIPS ↓ | SSIM ↑ | PSNR ↑ |"));
  EXPECT_THAT(
      text,
      HasSubstr("| TeaCache-fast † | – | – | 1.12 | 3.28× | 8.20 | 76.69 | – | 0.3133 | 0.6678 "
                "| 18.62 |"));
  EXPECT_THAT(text, HasSubstr("| PAB-slow † |"));
  EXPECT_THAT(text, HasSubstr("| TeaCache 0.1 | 16 |"));
  EXPECT_THAT(text, HasSubstr("VBench is n/a: its total needs all 16 dimensions"));
  EXPECT_THAT(text, HasSubstr("computed here: temporal flickering."));
  EXPECT_THAT(text, HasSubstr("LPIPS is n/a: it was left out."));
  EXPECT_THAT(text, HasSubstr("† published, not measured here"));
  report = SyntheticSweep();
  EXPECT_THAT(PaperTableMarkdown(report, report.models[0]), Not(HasSubstr("†")));
}

TEST(PaperTable, LatexEscapesWhatItReads) {
  Report report = SyntheticSweep();
  report.models[0].name = "open-sora";
  for (ReportRow& row : report.rows) row.model = "open-sora";
  report.rows[1].label = "50 % & more_";
  const std::string text = PaperTableLatex(report);
  EXPECT_THAT(text, HasSubstr("\\begin{tabular}{lrrrrrrrrrr}\n\\toprule\nMethod & Videos &"));
  EXPECT_THAT(text, HasSubstr("50 \\% \\& more\\_ & 16 &"));
  EXPECT_THAT(
      text,
      HasSubstr("TeaCache-slow $\\dagger$ & -- & -- & 2.40 & 1.55$\\times$ & 28.78 & 79.28 & -- "
                "& 0.1316 & 0.8415 & 23.62 \\\\\n"));
  EXPECT_THAT(text, HasSubstr("$\\Delta$-DiT"));
  EXPECT_THAT(text, HasSubstr("\\end{table*}"));
}

TEST(Labels, NumbersAndWords) {
  ReportRow row;
  row.policy = "teacache";
  row.threshold = 0.1;
  EXPECT_EQ(RowLabel(row), "TeaCache 0.1");
  row.policy = "uniform";
  row.threshold.reset();
  row.computed_target = 12;
  EXPECT_EQ(RowLabel(row), "uniform skipping 12 calls");
  EXPECT_EQ(PolicyLabel("none"), "uncached");
  EXPECT_EQ(PolicyLabel("their-own"), "their-own");
  EXPECT_EQ(Signed(-1.26, 1), "−1.3");
  EXPECT_EQ(Signed(0.04, 1), "+0.0");
  EXPECT_EQ(Fixed(std::nullopt, 2), "–");
  EXPECT_EQ(Short(0.025), "0.025");
  EXPECT_EQ(SpeedupText({1.732, Interval{1.7, 1.76}}), "1.73× (1.70–1.76)");
}

TEST(MetricText, SaysWhatIsKnown) {
  EXPECT_EQ(MetricText(nullptr, 1), "–");
  ReportMetric metric;
  metric.identical = 4;
  EXPECT_EQ(MetricText(&metric, 1), "identical");
  metric.mean = 38.24;
  EXPECT_EQ(MetricText(&metric, 1, " dB"), "38.2 dB");
  metric.ci95 = Interval{37.1, 39.4};
  EXPECT_EQ(MetricText(&metric, 1, " dB"), "38.2 dB (37.1–39.4)");
}

}  // namespace
}  // namespace teacache
