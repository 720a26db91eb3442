#include "runners/sampling/segment_meter.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <numeric>

#include "calib/rules/forecast_weights.h"
#include "datasets/base/error.h"
#include "runners/sampling/forecast.h"
#include "runners/sampling/relative_l1.h"

namespace teacache {

void SegmentExtent::Check(int calls) const {
  if (longest < 1 || longest > calls - 1) {
    ThrowUserError("--costs",
                   "must be 1 to {}, as a run has {} calls and the first is computed, but is {}",
                   calls - 1,
                   calls,
                   longest);
  }
  if (orders.empty()) ThrowUserError("--orders", "must name at least one order");
  for (const int order : orders) {
    if (order < 0 || order > kMaxForecastOrder) {
      ThrowUserError("--orders", "must be of 0, 1 and 2 but one is {}", order);
    }
  }
}

std::vector<std::vector<int>> GapsBefore(int start, const SegmentExtent& extent) {
  const int most = *std::ranges::max_element(extent.orders);
  std::vector<std::vector<int>> found;
  std::vector<std::vector<int>> longer = {{}};
  for (int order = 0; order <= most; ++order) {
    const std::vector<std::vector<int>> gaps = std::exchange(longer, {});
    const bool asked = std::ranges::find(extent.orders, order) != extent.orders.end();
    for (const std::vector<int>& list : gaps) {
      const int left = start - 1 - std::accumulate(list.begin(), list.end(), 0);
      if (asked || left == 0) found.push_back(list);
      for (int gap = 1; gap <= std::min(left, extent.longest + 1); ++gap) {
        longer.push_back(list);
        longer.back().push_back(gap);
      }
    }
  }
  return found;
}

std::vector<Segment> SegmentsAt(int start, int calls, const SegmentExtent& extent) {
  std::vector<Segment> segments;
  for (const std::vector<int>& gaps : GapsBefore(start, extent)) {
    for (int skipped = 1; skipped <= std::min(extent.longest, calls - start); ++skipped) {
      segments.push_back({start, skipped, gaps});
    }
  }
  return segments;
}

void SegmentMeter::Add(int call, int branch, double time, const std::vector<at::Tensor>& residual) {
  std::map<int, Call>& calls = branches_[branch];
  std::vector<at::Tensor> zeros;
  for (const at::Tensor& stream : residual) zeros.push_back(at::zeros_like(stream));
  for (int start = std::max(1, call - extent_.longest + 1); start <= call; ++start) {
    for (const std::vector<int>& gaps : GapsBefore(start, extent_)) {
      // As a run adds them, oldest first.
      Forecast forecast(static_cast<int>(gaps.size()));
      int from = start - 1 - std::accumulate(gaps.begin(), gaps.end(), 0);
      for (size_t i = gaps.size() + 1; i-- > 0;) {
        const Call& computed = calls.at(from);
        forecast.Add(computed.time, computed.residual);
        if (i > 0) from += gaps[i - 1];
      }
      errors_[{start, call - start + 1, gaps}] += MeasureL1(forecast.Apply(time, zeros), residual);
    }
  }
  calls[call] = {time, residual};
  calls.erase(call - 3 * (extent_.longest + 1));
}

std::vector<std::pair<Segment, double>> SegmentMeter::Costs() const {
  std::vector<std::pair<Segment, double>> costs;
  for (const auto& [segment, error] : errors_) {
    double sum = 0;
    Segment part = segment;
    for (part.skipped = 1; part.skipped <= segment.skipped; ++part.skipped) {
      sum += errors_.at(part).Ratio();
    }
    costs.emplace_back(segment, sum);
  }
  return costs;
}

}  // namespace teacache
