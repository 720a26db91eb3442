#include "reports/writers/report_markdown.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "reports/findings/labels.h"

namespace teacache {
namespace {

// Text that Markdown shows as it is, in one line: names of models, settings and files may hold
// anything.
std::string Escaped(std::string_view text) {
  static constexpr std::string_view kSpecial = "\\`*_<[]|~&";
  std::string escaped;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    if (kSpecial.find(c) != std::string_view::npos) escaped += '\\';
    escaped += control ? ' ' : c;
  }
  return escaped;
}

// As in the paper's table: what looks at one video first, then LPIPS, SSIM, PSNR.
std::vector<MetricInfo> InOrderOfPapers(std::vector<MetricInfo> metrics) {
  const auto against =
      std::ranges::stable_partition(metrics, std::not_fn(&MetricInfo::needs_reference));
  std::ranges::reverse(against);
  return metrics;
}

std::string TableLine(const ReportRow& row, const std::vector<MetricInfo>& metrics) {
  std::string line = fmt::format(
      "| {} | {} | {} | {} |",
      Escaped(RowLabel(row)),
      row.calls > 0 ? fmt::format("{} / {}", Fixed(row.computed_mean, 1), row.calls) : "–",
      SpeedupText(row.speedup_total),
      row.total.n > 0 ? Fixed(row.total.median, 3) : "–");
  for (const MetricInfo& metric : metrics) {
    line += fmt::format(" {} |", MetricText(Find(row.scores, metric.name), metric.digits));
  }
  return line + "\n";
}

std::string Table(const Report& report, const ReportModel& model) {
  std::string text =
      fmt::format("## {}\n\n{}\n\n", Escaped(model.name), Escaped(model.description));
  const std::vector<MetricInfo> metrics = InOrderOfPapers(report.metrics);
  std::string line = "|---|---|---|---|";
  text += "| Method | Computed calls | Speed-up ↑ | Seconds per video ↓ |";
  for (const MetricInfo& metric : metrics) {
    text += fmt::format(" {} {} |", Escaped(metric.label), metric.higher_is_better ? "↑" : "↓");
    line += "---|";
  }
  text += "\n" + line + "\n";
  for (const ReportRow& row : report.rows) {
    if (row.model == model.name) text += TableLine(row, metrics);
  }
  return text + "\n";
}

}  // namespace

std::string ReportMarkdown(const Report& report) {
  const ReportContext& context = report.context;
  std::string text = fmt::format("# {}\n\n", Escaped(ReportTitle(report)));
  for (const std::string& line : ConclusionTexts(report))
    text += fmt::format("* {}\n", Escaped(line));
  text += "\n";
  for (const ReportModel& model : report.models) text += Table(report, model);
  text += fmt::format(
      "Means over {} test prompts × {} seeds against the uncached videos, 95 % intervals in "
      "brackets{}. Time: median, end to end, {}{}.\n",
      context.test_prompts.size(),
      context.seeds.size(),
      context.fit_prompts.empty()
          ? ""
          : fmt::format("; coefficients from {} other prompts", context.fit_prompts.size()),
      context.cpu.empty() ? "machine unknown" : Escaped(context.cpu),
      context.device.empty() ? "" : ", device " + Escaped(context.device));
  for (const std::string& warning : context.warnings) {
    text += fmt::format("\nNote: {}\n", Escaped(warning));
  }
  return text;
}

}  // namespace teacache
