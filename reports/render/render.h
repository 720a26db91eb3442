#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/base/progress.h"
#include "metrics/metric_list.h"
#include "reports/data/report.h"
#include "reports/findings/scores.h"

namespace teacache {

// A report of runs made elsewhere.
struct RenderOptions {
  // Each a setting, a folder of settings (foreign_runs.h), or a finished sweep (with report.json).
  std::vector<std::string> folders;
  std::string out;                       // folder of the report
  std::string uncached;                  // name of the uncached setting; "" = by policy and name
  std::string title;                     // heading of the page; "" = made
  std::vector<std::string> fit_prompts;  // of the coefficients, where known
  ReportFloor floor;
  std::vector<std::string> require;            // limits for every setting (datasets/requirement.h)
  bool embed_videos = false;                   // the videos become part of the page, for mail
  Metrics metrics = MakeMetrics("psnr,ssim");  // against the uncached videos
  std::vector<std::string> notes;              // for the report: which metrics are left out
  VbenchOptions vbench = NativeVbench();       // its dimensions, scorers, reader and batch
  int jobs = 1;                                // videos scored at a time; 0 = one per processor
  std::vector<std::string> argv;
  ProgressSink* progress = nullptr;

  // Throws UserError.
  void Validate() const;
};

struct RenderOutcome {
  Report report;
  std::string page;
  int failed = 0;  // videos that are missing or could not be scored
};

// Scores every setting against the uncached one of its model with EvaluateFolders, as eval-metrics
// does, and writes the report into options.out; videos stay where they are, and those that browsers
// do not play get a copy in options.out/preview. Settings without `matches` are compared with the
// TeaCache setting whose computed calls are nearest, within a quarter of a call. Throws UserError.
RenderOutcome RenderReport(const RenderOptions& options);

}  // namespace teacache
