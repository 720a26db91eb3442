#pragma once

#include <string>

#include "reports/data/report.h"

namespace teacache {

struct SyntheticSweepOptions {
  int prompts = 8;
  int seeds = 2;
  bool lpips = true;
  int bootstrap_samples = 1000;
  bool failed_video = true;  // one video of one setting has an error
  // Also a fixed mask and MagCache, and the thresholds again with published coefficients.
  bool everything = false;
};

// A made-up sweep with the shape of a real one: 30 calls, seven thresholds, and at as many calls
// uniform skipping (better in the middle of the range, worse at its end) and fewer steps. The same
// on every machine. One prompt holds characters that HTML, CSV and Markdown must escape.
Report SyntheticSweep(const SyntheticSweepOptions& options = {});

// Writes a small clip for every ReportVideo::path of the report below `folder`.
void WriteSyntheticVideos(const Report& report, const std::string& folder);

}  // namespace teacache
