#pragma once

#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "datasets/base/choices.h"
#include "datasets/trace/segment_costs.h"

namespace teacache {

// Plans which calls of a run are computed. Skipping a segment has a cost >= 0, which depends on the
// computed calls that its forecast is made of (Segment::gaps), and a schedule costs what its
// segments do. For every number of computed calls the best schedule is found exactly, by dynamic
// programming over (last computed call, gaps of the forecast), the shortest path of LeMiCa
// (arXiv 2511.00090) and DPCache (arXiv 2602.22654):
//
//   sum      the smallest sum of the segments' costs
//   squares  the smallest sum of their squares, as errors add up that have nothing in common
//   minimax  the smallest worst segment; of those the smallest second worst, and so on
//
// Where several schedules are equally good, which one is taken depends on the input alone.
enum class PlanObjective { kSum, kSquares, kMinimax };
inline constexpr Choices<PlanObjective, 3> kPlanObjectives = {
    {{"sum", PlanObjective::kSum},
     {"squares", PlanObjective::kSquares},
     {"minimax", PlanObjective::kMinimax}}};

struct PlanLimits {
  int first = 1;    // calls that are always computed at the start, at least 1,
  int last = 0;     // and at the end
  int longest = 0;  // most calls that are skipped one after the other; 0 = as long as costs are
                    // known
};

// By segment; one that is not in it cannot be skipped.
using SegmentCostTable = std::map<Segment, double>;

inline constexpr int kMaxPlannedCalls = 1000;

// The best schedule of a run of `calls` calls with forecasts of `order` for each number of computed
// calls: result[n - 1] is that with n, empty where the limits allow no schedule. Until `order`
// + 1 calls were computed, forecasts are of the order that these allow, as in a run. Throws
// UserError unless 1 <= calls <= kMaxPlannedCalls, first and last fit into the run.
std::vector<std::optional<std::vector<bool>>> PlanFrontier(const SegmentCostTable& costs,
                                                           int calls,
                                                           int order,
                                                           PlanObjective objective,
                                                           const PlanLimits& limits);

// The segments of a schedule whose first call is computed, in order.
std::vector<Segment> SegmentsOf(const std::vector<bool>& computed, int order);

// Costs of the segments of a schedule, largest first; nothing where one is unknown.
std::optional<std::vector<double>> CostsOf(const std::vector<bool>& computed,
                                           int order,
                                           const SegmentCostTable& costs);

}  // namespace teacache
