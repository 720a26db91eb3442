#include "reports/findings/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "calib/rules/policy_options.h"

namespace teacache {

std::string PolicyLabel(std::string_view policy) {
  if (policy == "steps") return "fewer steps";  // no cache
  const std::string_view label = LabelOfPolicy(policy);
  return std::string(label.empty() ? policy : label);
}

std::string RowLabel(const ReportRow& row) {
  if (!row.label.empty()) return row.label;
  std::string label = PolicyLabel(row.policy);
  if (row.threshold) label += " " + Short(*row.threshold);
  if (row.policy == "teacache" && !row.fit.empty() && row.fit != "fitted") {
    label += " (" + row.fit + ")";
  }
  if (row.computed_target) label += fmt::format(" {} calls", Short(*row.computed_target));
  return label;
}

std::string Fixed(std::optional<double> value, int digits) {
  if (!value || !std::isfinite(*value)) return "–";
  return fmt::format("{:.{}f}", *value, digits);
}

std::string Short(double value) { return fmt::format("{:.4g}", value); }

std::string MetricText(const ReportMetric* metric, int digits, std::string_view unit) {
  if (!metric) return "–";
  if (!metric->mean) return metric->identical > 0 ? "identical" : "–";
  std::string text = Fixed(metric->mean, digits) + std::string(unit);
  if (metric->ci95) {
    text +=
        fmt::format(" ({}–{})", Fixed(metric->ci95->lo, digits), Fixed(metric->ci95->hi, digits));
  }
  return text;
}

std::string MeanText(const ReportMetric& metric, int digits, std::string_view unit) {
  const std::string text = MetricText(&metric, digits, unit);
  if (!metric.capped_mean) return text;
  return fmt::format("{} over {}; {} over {} with identical ones as 100",
                     text,
                     metric.n,
                     Fixed(metric.capped_mean, digits) + std::string(unit),
                     metric.n + metric.identical);
}

std::string WorstText(const ReportOption& option, const MetricInfo& metric) {
  if (!option.worst) return "identical";
  const int digits = SentenceDigits(metric);
  std::string text = Fixed(option.worst, digits) + SentenceUnit(metric);
  if (option.worst_ci95) {
    text += fmt::format(
        " ({}–{})", Fixed(option.worst_ci95->lo, digits), Fixed(option.worst_ci95->hi, digits));
  }
  return text;
}

std::string SentenceUnit(const MetricInfo& metric) {
  return " " + (metric.unit.empty() ? metric.label : metric.unit);
}

int SentenceDigits(const MetricInfo& metric) {
  return metric.unit.empty() ? metric.digits : std::max(metric.digits - 1, 0);
}

MetricInfo MetricOf(const Report& report, std::string_view name) {
  const MetricInfo* metric = FindMetric(report.metrics, name);
  return metric ? *metric : UndescribedMetric(name);
}

const MetricInfo* DecidingMetric(const Report& report, const ReportComparison& comparison) {
  const auto found = std::ranges::find_if(report.metrics, [&comparison](const MetricInfo& metric) {
    return comparison.differences.contains(metric.name);
  });
  return found == report.metrics.end() ? nullptr : &*found;
}

std::string SpeedupText(const ReportSpeedup& speedup) {
  if (!(speedup.value > 0)) return "–";
  std::string text = Fixed(speedup.value, 2) + "×";
  if (speedup.ci95) {
    text += fmt::format(" ({}–{})", Fixed(speedup.ci95->lo, 2), Fixed(speedup.ci95->hi, 2));
  }
  return text;
}

std::string Signed(double value, int digits) {
  return (std::signbit(value) ? "−" : "+") + Fixed(std::abs(value), digits);
}

bool EqualCost(double computed_a, double computed_b) {
  return std::abs(computed_a - computed_b) <= 0.25;
}

const ReportRow* FindRow(const Report& report, std::string_view id) {
  const auto found =
      std::ranges::find_if(report.rows, [id](const ReportRow& row) { return row.id == id; });
  return found == report.rows.end() ? nullptr : &*found;
}

const ReportComparison* FindComparison(const Report& report,
                                       std::string_view id,
                                       std::string_view policy) {
  for (const ReportComparison& comparison : report.comparisons) {
    if (comparison.a != id) continue;
    const ReportRow* baseline = FindRow(report, comparison.b);
    if (baseline && baseline->policy == policy) return &comparison;
  }
  return nullptr;
}

const ReportModel* FindModel(const Report& report, std::string_view name) {
  const auto found = std::ranges::find_if(
      report.models, [name](const ReportModel& model) { return model.name == name; });
  return found == report.models.end() ? nullptr : &*found;
}

std::vector<std::string> ConclusionTexts(const Report& report) {
  std::vector<std::string> texts;
  for (const Conclusion& conclusion : report.conclusions) {
    const bool named = report.models.size() > 1 && !conclusion.model.empty();
    const bool both = !conclusion.headline.empty() && !conclusion.text.empty();
    texts.push_back(fmt::format("{}{}{}{}{}",
                                named ? conclusion.model : "",
                                named ? ": " : "",
                                conclusion.headline,
                                both ? " " : "",
                                conclusion.text));
  }
  return texts;
}

std::string ReportTitle(const Report& report) {
  if (!report.context.title.empty()) return report.context.title;
  std::string names;
  for (const ReportModel& model : report.models) names += (names.empty() ? "" : ", ") + model.name;
  return (names.empty() ? "Sweep" : names) + ": speed and quality with TeaCache";
}

std::string Listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::string Capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] += 'A' - 'a';
  return text;
}

}  // namespace teacache
