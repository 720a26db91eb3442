#pragma once

#include <string>

#include "reports/data/report.h"

namespace teacache {

struct HtmlReportOptions {
  // Folder that ReportVideo::path is relative to: its videos become part of the page, which then
  // shows them wherever it goes, at 4/3 of their size. "" = they stay beside the page.
  std::string embed_videos_of;
};

// report.html: one self-contained page (plotly.js, style, script and all data inside; nothing is
// loaded from a network). The videos are the files beside it that ReportVideo::path names, or part
// of it; without them the page says so and shows everything else.
//
// Part of the address after '#', all optional, choose what is shown first:
//   threshold=0.1   the TeaCache setting of that threshold
//   setting=ID      any setting by ReportRow::id
//   prompt=3        the third test prompt (1-based), seed=S its seed
//   x=calls         computed calls instead of speed-up below the curves
//   theme=dark      dark or light
std::string HtmlReport(const Report& report, const HtmlReportOptions& options = {});

void WriteHtmlReport(const std::string& path,
                     const Report& report,
                     const HtmlReportOptions& options = {});

// report.html, report.json, report.csv, videos.csv and report.md into `folder`, which must exist.
// `embed_videos`: the videos, whose paths are relative to `folder`, become part of the page.
void WriteReportFiles(const std::string& folder, const Report& report, bool embed_videos = false);

}  // namespace teacache
