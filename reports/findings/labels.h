#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// Words and numbers as the reader-facing writers (page, Markdown, conclusions) print them.

// "TeaCache", "uniform skipping", "uncached", ...; the policy's own name when it is not known.
std::string PolicyLabel(std::string_view policy);

// "TeaCache 0.1", "uniform skipping 12 calls", "uncached".
std::string RowLabel(const ReportRow& row);

// `value` with `digits` decimals; "–" where it is missing.
std::string Fixed(std::optional<double> value, int digits);

// Up to four significant digits without trailing zeros: "0.1", "0.025", "12".
std::string Short(double value);

// "38.2 (37.1–39.4)", "38.2" without interval, "identical" where every pair of videos is, "–" where
// nothing was measured (also nullptr). `unit` follows the mean: "38.2 dB (37.1–39.4)".
std::string MetricText(const ReportMetric* metric, int digits, std::string_view unit = "");

// The mean as MetricText; where videos are identical also over how many it is, and the mean with
// those as 100 dB: "45.9 (44.1–47.2) over 5; 54.9 over 6 with identical ones as 100".
std::string MeanText(const ReportMetric& metric, int digits, std::string_view unit = "");

// "31.2 dB" of the worst videos, with the interval of the worst 5 %, or "identical".
std::string WorstText(const ReportOption& option, const MetricInfo& metric);

// In sentences: " dB" or, of a metric without unit, " SSIM"; and a decimal less than in tables
// where a unit says how large the value is.
std::string SentenceUnit(const MetricInfo& metric);
int SentenceDigits(const MetricInfo& metric);

// The report's description of the metric; UndescribedMetric where it has none.
MetricInfo MetricOf(const Report& report, std::string_view name);

// What decides which of two rows is better: the first metric that the comparison has. nullptr =
// none.
const MetricInfo* DecidingMetric(const Report& report, const ReportComparison& comparison);

// "1.73× (1.70–1.76)".
std::string SpeedupText(const ReportSpeedup& speedup);

// "+2.1 dB", "−0.004": always with a sign (U+2212 for minus).
std::string Signed(double value, int digits);

// "a", "a and b", "a, b and c".
std::string Listed(const std::vector<std::string>& words);

// With a large first letter.
std::string Capital(std::string text);

// Whether so many computed calls (means over videos) are as good as equal: a quarter of a call.
bool EqualCost(double computed_a, double computed_b);

// The row named `id`, or nullptr.
const ReportRow* FindRow(const Report& report, std::string_view id);
// The comparison whose teacache row is `id` against a baseline of `policy`, or nullptr.
const ReportComparison* FindComparison(const Report& report,
                                       std::string_view id,
                                       std::string_view policy);
// The model a row belongs to, or nullptr.
const ReportModel* FindModel(const Report& report, std::string_view name);

// "shapes: Threshold 0.1 is ...": headline and text of each conclusion in one line, with the model
// where there are several.
std::vector<std::string> ConclusionTexts(const Report& report);

// The page's heading: context.title, or "<models>: speed and quality with TeaCache".
std::string ReportTitle(const Report& report);

}  // namespace teacache
