#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "calib/rules/teacache_mode.h"
#include "datasets/base/progress.h"
#include "metrics/metric_list.h"
#include "reports/data/report.h"
#include "reports/findings/scores.h"
#include "runners/systems/system.h"

namespace teacache {

// The whole experiment on one system: record the fit prompts, fit, generate the test prompts
// uncached, with TeaCache at every threshold, and by every baseline with as many computed calls,
// score against the uncached videos, report.
struct SweepOptions {
  std::string model = "shapes";
  SystemOptions system;
  std::string out;                       // folder to fill or go on with
  std::vector<std::string> fit_prompts;  // empty = the system's demonstration prompts
  std::vector<std::string> test_prompts;
  int demo_fit_prompts = 8;  // how many of those
  int demo_test_prompts = 12;
  std::vector<int64_t> seeds = {0};
  // Of TeaCache; empty = `auto_thresholds` of them for each coefficient set, spaced evenly in
  // skipped calls (replayed) until the speed-up saturates.
  std::vector<double> thresholds;
  int auto_thresholds = 7;
  // Coefficient sets: "fitted" (on the fit prompts), "published" (the system's own), the name of a
  // published set, a list of numbers, or a coefficients file.
  std::vector<std::string> coeffs = {"fitted"};
  int degree = 4;  // of the fitted polynomial
  TeaCacheMode teacache_mode = TeaCacheMode::kStrict;
  // What TeaCache is compared with, video by video at as many computed calls: "uniform" (evenly
  // spaced), "mask" (a fixed schedule made from the mean change at each step), "magcache" (its rule
  // with ratios of the fit prompts' traces), "steps" (fewer denoising steps, nothing skipped).
  std::vector<std::string> baselines = {"uniform", "mask", "magcache", "steps"};
  int timed_runs = 3;      // of every video; settings take turns, so that drift hits all alike
  int threads = 1;         // within one video; the last bits may depend on it
  double max_minutes = 0;  // no further test prompt when it would take longer; 0 = no limit
  ReportFloor floor;       // that settings must keep to be recommended
  std::vector<std::string> require = {};  // limits for every setting (datasets/requirement.h)
  // Scored is what a user can score: lossless files (FFV1), with H.264 ones beside them to be
  // played; or with `lossy` the H.264 files alone, whose losses then are part of the scores.
  bool lossy = false;
  int crf = 18;                                // of the H.264 files, 0 to 51
  bool embed_videos = false;                   // the videos become part of the page, for mail
  Metrics metrics = MakeMetrics("psnr,ssim");  // against the uncached videos
  std::vector<std::string> notes;              // for the report: which metrics are left out
  VbenchOptions vbench = NativeVbench();       // its dimensions, scorers, reader and batch
  std::vector<std::string> argv;
  ProgressSink* progress = nullptr;

  // Throws UserError.
  void Validate() const;
};

struct SweepOutcome {
  Report report;
  std::string page;          // path of report.html
  bool interrupted = false;  // then there is no report yet; running again goes on
  int failed = 0;            // videos that could not be made or scored
};

// Leaves in options.out:
//   videos/SETTING/*.mkv    what is scored (with `lossy`: .mp4)
//   preview/SETTING/*.mp4   what the page plays (without `lossy`)
//   trace.jsonl             of the fit prompts; test_trace.jsonl of the test prompts' uncached runs
//   coeffs.json             the fit
//   sweep.jsonl             journal of everything finished
//   kept/                   every recorded run, and videos of earlier sweeps' other settings
//   report.html, .json, .csv, .md, .tex, videos.csv
// Whatever the journal has is kept when it runs again, also with other options: only what depends
// on a changed option is made again. Videos that fail are rows with an error and are tried again
// next time. Throws UserError.
SweepOutcome RunSweep(const SweepOptions& options);
SweepOutcome RunSweep(const System& system, const SweepOptions& options);

// Several sweeps of different models one after the other, each into `out`/MODEL (their own `out` is
// not looked at), and one report of all in `out`. Each has its share of max_minutes.
SweepOutcome RunSweeps(const std::vector<SweepOptions>& sweeps, const std::string& out);

}  // namespace teacache
