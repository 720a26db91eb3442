#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <utility>
#include <vector>

#include "datasets/trace/segment_costs.h"
#include "datasets/trace/trace.h"

namespace teacache {

// Which segments of a run are measured.
struct SegmentExtent {
  int longest = 4;                      // most calls in one, 1 to the run's calls - 1
  std::vector<int> orders = {0, 1, 2};  // of forecasts, ascending

  // Throws UserError (--costs, --orders) for what cannot be of a run of `calls` calls.
  void Check(int calls) const;
};

// The gaps (Segment::gaps) of all forecasts from call start - 1 on that a schedule within the
// extent may have: of the orders asked for, each gap at most longest + 1 calls. Forecasts of fewer
// computed calls than the largest order needs are among them where they reach back to call 0.
std::vector<std::vector<int>> GapsBefore(int start, const SegmentExtent& extent);

// The segments that begin at `start` in a run of `calls` calls.
std::vector<Segment> SegmentsAt(int start, int calls, const SegmentExtent& extent);

// Measures from one uncached run what it would cost to skip segments of it: for each skipped call
// the relative L1 error of the residual that the forecast puts in,
//
//   sum|R_forecast - R| / sum|R|, sums over streams and branches,
//
// added up over the calls of the segment. What the run's later latents would be is not looked at.
//
// Memory: of the last 3 longest + 3 calls their residuals.
class SegmentMeter {
 public:
  explicit SegmentMeter(SegmentExtent extent) : extent_(std::move(extent)) {}

  // The residual of call `call` at `time`, calls in order, of every branch.
  void Add(int call, int branch, double time, const std::vector<at::Tensor>& residual);

  std::vector<std::pair<Segment, double>> Costs() const;

 private:
  struct Call {
    double time = 0;
    std::vector<at::Tensor> residual;
  };

  SegmentExtent extent_;
  std::map<int, std::map<int, Call>> branches_;  // by branch, by call
  std::map<Segment, L1Sums> errors_;             // of the last call of each segment
};

}  // namespace teacache
