#pragma once

#include <optional>
#include <string>
#include <vector>

#include "datasets/trace/trace.h"

namespace teacache {

// Which calls of a run are computed, planned from segment costs.
struct PlannedSchedule {
  std::vector<bool> computed;  // per call; the first one is true
  int forecast = 0;            // order of what skipped calls get, less than the computed calls
  double cost = 0;             // sum over its segments of their mean error over the runs
  double worst = 0;            // the largest of them
  // The mean cost for a prompt of the schedule that is planned on all other prompts; unknown where
  // it was not asked for.
  std::optional<double> left_out;

  int ComputedCalls() const;
};

// A file of planned schedules (.json), see datasets/FORMATS.md.
struct SchedulePlan {
  static constexpr int kVersion = 1;
  TraceHeader recipe;  // what it belongs to: how the runs were made
  // Of the costs: "residual" or "latent" (SegmentCosts), or "weighted": residual errors, that of
  // each call times what the same error of this call alone does to the final latent.
  std::string measure;
  std::string objective;     // "sum", "squares" or "minimax"
  std::string costs_sha256;  // of the costs that it was planned from; "" = unknown
  int prompts = 0;           // that it was planned on, at least 1
  int runs = 0;              // at least as many
  int first = 1;             // calls that are always computed at the start, at least 1,
  int last = 0;              // and at the end, at least 0
  int longest = 0;           // most calls that are skipped one after the other, at least 0
  std::vector<PlannedSchedule> schedules;  // ascending in computed calls; not empty

  // The schedule with so many computed calls; 0 = the only one. Throws UserError naming `where` and
  // those that there are.
  const PlannedSchedule& WithComputed(int computed, const std::string& where) const;
};

// Throws UserError naming file and field for anything but such a file.
SchedulePlan ReadSchedulePlan(const std::string& path);
// Throws UserError for what ReadSchedulePlan refuses. WriteSchedulePlan writes a temporary file and
// renames it.
std::string SchedulePlanToJson(const SchedulePlan& plan);
void WriteSchedulePlan(const std::string& path, const SchedulePlan& plan);

// Throws UserError unless a plan belongs to runs with this header: model, steps, calls, scheduler,
// guidance, size, dtype, weights and text encoder (where both are known) must be the same. The
// message names the field that differs.
void CheckPlanBelongs(const SchedulePlan& plan, const TraceHeader& run, const std::string& where);

}  // namespace teacache
