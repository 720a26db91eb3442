#include "metrics/pairs/frame_scorer.h"

#include <cmath>
#include <limits>

#include "metrics/frames/psnr.h"

namespace teacache {

void ScoreTheRest(const FrameGroup& group,
                  const Metrics& metrics,
                  std::vector<FrameScore>* scores) {
  std::vector<FramePair> pairs;
  std::vector<size_t> which;
  for (size_t m = 0; m < metrics.size(); ++m) {
    pairs.clear();
    which.clear();
    for (size_t i = 0; i < scores->size(); ++i) {
      FrameScore& score = (*scores)[i];
      if (!std::isnan(score.values[m])) continue;
      if (score.squared_error == 0) {
        score.values[m] = metrics[m]->info().best;
      } else {
        pairs.push_back({&group.gt, &group.gens[i], score.squared_error});
        which.push_back(i);
      }
    }
    if (pairs.empty()) continue;
    const std::vector<double> values = metrics[m]->Score(pairs);
    for (size_t k = 0; k < which.size(); ++k) (*scores)[which[k]].values[m] = values[k];
  }
}

std::vector<std::vector<FrameScore>> CpuFrameScorer::Score(std::span<const FrameGroup> groups,
                                                           const Metrics& metrics) const {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::vector<FrameScore>> scores;
  for (const FrameGroup& group : groups) {
    std::vector<FrameScore>& row = scores.emplace_back();
    for (const Frame& gen : group.gens) {
      row.push_back({SquaredError(group.gt.rgb, gen.rgb), std::vector(metrics.size(), kNan)});
    }
    ScoreTheRest(group, metrics, &row);
  }
  return scores;
}

}  // namespace teacache
