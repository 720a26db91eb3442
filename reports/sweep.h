#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/progress.h"
#include "metrics/perceptual_metric.h"
#include "reports/sweep_data.h"
#include "runners/system.h"

namespace teacache {

// The whole experiment on one system: record the fit prompts, fit, generate the test prompts
// uncached, at every threshold, and by uniform skipping with as many computed calls, score against
// the uncached videos, report.
struct SweepOptions {
  std::string model = "shapes";
  SystemOptions system;
  std::string out;                       // folder to fill or go on with
  std::vector<std::string> fit_prompts;  // empty = the system's demonstration prompts
  std::vector<std::string> test_prompts;
  int demo_fit_prompts = 8;  // how many of those
  int demo_test_prompts = 12;
  std::vector<int64_t> seeds = {0};
  std::vector<double> thresholds = {0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6};
  int degree = 4;      // of the polynomial
  std::string coeffs;  // coefficients file instead of recording and fitting; "" = fit
  int crf = 18;        // of the videos beside the page; scores are of the frames before
  std::shared_ptr<const PerceptualMetric> lpips;  // none = no LPIPS
  std::vector<std::string> argv;
  ProgressSink* progress = nullptr;

  // Throws UserError.
  void Validate() const;
};

// What a sweep will do, for --dry-run.
struct SweepPlan {
  int fit_runs = 0;
  int settings = 0;   // uncached, thresholds, uniform
  int videos = 0;     // of all settings
  int64_t calls = 0;  // transformer calls if nothing were skipped, recording included
};

struct SweepOutcome {
  SweepReport report;
  std::string page;          // path of report.html
  bool interrupted = false;  // then there is no report yet; running again goes on
};

SweepPlan PlanSweep(const System& system, const SweepOptions& options);

// Leaves in options.out: trace.jsonl, coeffs.json, sweep.jsonl (journal), videos/SETTING/*.mp4 and
// the report files. Finished videos are kept when it runs again; a folder made with other settings
// is refused. Throws UserError.
SweepOutcome RunSweep(const SweepOptions& options);
SweepOutcome RunSweep(const System& system, const SweepOptions& options);

}  // namespace teacache
