#include "reports/writers/report_markdown.h"

#include <fmt/format.h>

#include <algorithm>

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

// A column for every further metric, in front of the usual three as in the paper's table.
std::string FurtherCells(const Report& report, const ReportRow& row) {
  std::string cells;
  for (const ReportMetricInfo& info : report.metrics) {
    const auto found = std::ranges::find(row.extra, info.name, &ReportExtra::name);
    cells += fmt::format("{} | ",
                         found == row.extra.end() ? "–" : MetricText(found->pooled, 4, info.unit));
  }
  return cells;
}

std::string TableLine(const Report& report, const ReportRow& row) {
  return fmt::format(
      "| {} | {} | {} | {} | {}{} | {} | {} |\n",
      Escaped(RowLabel(row)),
      row.calls > 0 ? fmt::format("{} / {}", Fixed(row.computed_mean, 1), row.calls) : "–",
      SpeedupText(row.speedup_total),
      row.total.n > 0 ? Fixed(row.total.median, 3) : "–",
      FurtherCells(report, row),
      MetricText(row.lpips, 4),
      MetricText(row.ssim, 4),
      MetricText(row.psnr, 2));
}

std::string Table(const Report& report, const ReportModel& model) {
  std::string text =
      fmt::format("## {}\n\n{}\n\n", Escaped(model.name), Escaped(model.description));
  std::string names;
  std::string line = "|---|---|---|---|---|---|---|";
  for (const ReportMetricInfo& info : report.metrics) {
    names += fmt::format("{} {} | ", Escaped(info.label), info.higher_is_better ? "↑" : "↓");
    line += "---|";
  }
  text += fmt::format(
      "| Method | Computed calls | Speed-up ↑ | Seconds per video ↓ | {}LPIPS ↓ | SSIM ↑ | PSNR ↑ "
      "|\n{}\n",
      names,
      line);
  for (const ReportRow& row : report.rows) {
    if (row.model == model.name) text += TableLine(report, row);
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
