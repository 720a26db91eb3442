#pragma once

#include <cstddef>
#include <string>

#include "datasets/results.h"

namespace teacache {

// Below so many videos the worst 5 % are less than one video, and the worst one stands for them.
inline constexpr size_t kFewestForWorstShare = 20;

inline bool HasWorstShare(const MetricSummary& summary) {
  return summary.n >= static_cast<int64_t>(kFewestForWorstShare);
}

// The 5th percentile from the worse end, or without a share the worst video's value.
inline double WorstShareOf(const MetricSummary& summary, bool higher_is_better, bool has_share) {
  if (has_share) return summary.p5;
  return higher_is_better ? summary.min : summary.max;
}

// What stands over a column of WorstShareOf.
inline std::string WorstShareTitle(bool has_share) { return has_share ? "worst 5 %" : "worst"; }

}  // namespace teacache
