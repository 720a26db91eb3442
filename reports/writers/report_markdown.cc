#include "reports/writers/report_markdown.h"

#include <fmt/format.h>

#include "reports/findings/labels.h"
#include "reports/writers/paper_table.h"

namespace teacache {

std::string ReportMarkdown(const Report& report) {
  const ReportContext& context = report.context;
  std::string text = fmt::format("# {}\n\n", MarkdownText(ReportTitle(report)));
  for (const std::string& line : ConclusionTexts(report))
    text += fmt::format("* {}\n", MarkdownText(line));
  text += "\n";
  for (const ReportModel& model : report.models) {
    text += fmt::format("## {}\n\n{}\n\n{}\n",
                        MarkdownText(model.name),
                        MarkdownText(model.description),
                        PaperTableMarkdown(report, model));
  }
  text += fmt::format(
      "Means over {} test prompts × {} seeds against the uncached videos, 95 % intervals in "
      "brackets{}. Time: median, end to end, {}{}.\n",
      context.test_prompts.size(),
      context.seeds.size(),
      context.fit_prompts.empty()
          ? ""
          : fmt::format("; coefficients from {} other prompts", context.fit_prompts.size()),
      context.cpu.empty() ? "machine unknown" : MarkdownText(context.cpu),
      context.device.empty() ? "" : ", device " + MarkdownText(context.device));
  for (const std::string& warning : context.warnings) {
    text += fmt::format("\nNote: {}\n", MarkdownText(warning));
  }
  return text;
}

}  // namespace teacache
