#pragma once

#include <string>
#include <vector>

#include "calib/plan/planner.h"
#include "datasets/trace/schedule_plan.h"
#include "datasets/trace/segment_costs.h"

namespace teacache {

// What `fit-coeffs plan` does.
struct PlanOptions {
  std::vector<std::string> costs;  // files of record-diffs --costs
  // Files of record-diffs --costs 1 --outcome on the same runs or others of the same settings. Each
  // call's residual error is then weighted by
  //   mean error of the final latent / mean error of the residual, when only this call is skipped.
  std::vector<std::string> outcomes;
  std::vector<int> budgets;  // computed calls; empty = every number that can be planned
  int forecast = -1;         // order of what skipped calls get; -1 = the cheapest each
  PlanObjective objective = PlanObjective::kSum;
  PlanLimits limits;
};

// What is known of a planned schedule besides the plan's own numbers. All are mean costs over the
// prompts, of the same number of computed calls.
struct PlanComparison {
  int computed = 0;
  double own = 0;   // of schedules that are planned for each prompt alone
  double even = 0;  // of even skipping with the same forecast; NaN where its segments have no costs
};

struct PlanResult {
  SchedulePlan plan;
  std::vector<PlanComparison> comparisons;  // one for each schedule
  std::vector<std::string> warnings;
};

// Plans on the mean costs over all runs, and for every prompt on the mean over those of the others
// (PlannedSchedule::left_out). Throws UserError for costs of fewer than 2 prompts, runs that lack
// segments that others have, orders and budgets that cannot be planned from these costs.
// `outcomes`: without rows = no weights; they must be of the latent, the costs then of the
// residual.
PlanResult PlanSchedules(const SegmentCosts& costs,
                         const SegmentCosts& outcomes,
                         const PlanOptions& options);
// Reads and merges options.costs and options.outcomes.
PlanResult PlanSchedules(const PlanOptions& options);

// What fit-coeffs prints of it.
std::string PlanText(const PlanResult& result);

}  // namespace teacache
