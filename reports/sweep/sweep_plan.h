#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reports/sweep/sweep.h"
#include "runners/systems/system.h"

namespace teacache {

// What a sweep's options come to before anything is run.

// The prompts of a sweep, given or the system's own; no prompt is in both lists.
struct SweepPrompts {
  std::vector<std::string> fit;
  std::vector<std::string> test;
  int asked = 0;  // test prompts
};

// Throws UserError for prompts that the system does not take, that occur twice or in both lists.
SweepPrompts ChooseSweepPrompts(const System& system, const SweepOptions& options);

// What a sweep will do, for --dry-run.
struct SweepPlan {
  int fit_runs = 0;
  int settings = 0;  // uncached, thresholds of all coefficient sets, baselines
  int videos = 0;    // of all settings
  int timed_runs = 0;
  int64_t calls = 0;  // transformer calls if nothing were skipped, recordings included
  // Of one uncached run and video, measured on the first test prompt (with two steps where the
  // system can do with fewer); videos that skip take about half.
  double seconds_per_run = 0;
  int64_t bytes_per_video = 0;
  double seconds = 0;  // of everything, expected
  double seconds_at_most = 0;
  int64_t bytes = 0;
};

// Measures one video, writes nothing into options.out. Throws UserError.
SweepPlan PlanSweep(const System& system, const SweepOptions& options);

}  // namespace teacache
