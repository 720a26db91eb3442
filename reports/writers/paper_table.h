#pragma once

#include <string>
#include <string_view>

#include "reports/data/report.h"

namespace teacache {

// The settings of a report in the form of table 1 of the TeaCache paper: method, FLOPs, speed-up,
// latency, VBench, LPIPS, SSIM, PSNR, with the number of videos and the computed calls beside them.
// Below the measured rows of a system of the paper stand the published ones
// (reports/writers/teacache_table1.csv), marked with a dagger. What was not measured is "n/a", and
// a note below says why.

// Text that Markdown shows as it is, in one line: names of models, settings and files may hold
// anything.
std::string MarkdownText(std::string_view text);

// One model: the table and its notes.
std::string PaperTableMarkdown(const Report& report, const ReportModel& model);

// All models as one LaTeX table (booktabs), ready to be included.
std::string PaperTableLatex(const Report& report);

}  // namespace teacache
