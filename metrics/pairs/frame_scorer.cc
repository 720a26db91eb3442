#include "metrics/pairs/frame_scorer.h"

#include <algorithm>

#include "metrics/frames/psnr.h"
#include "metrics/pairs/score_video.h"

namespace teacache {
namespace {

FrameScore ScorePair(const Frame& gt, const Frame& gen, const ScoreOptions& options) {
  FrameScore score;
  score.squared_error = SquaredError(gt.rgb, gen.rgb);
  if (options.ssim) {
    const bool known = score.squared_error == 0 && std::min(gt.width, gt.height) >= 11;
    score.ssim = known ? 1.0 : Ssim(gt, gen, options.ssim_variant);
  }
  return score;
}

}  // namespace

std::vector<std::vector<FrameScore>> CpuFrameScorer::Score(std::span<const FrameGroup> groups,
                                                           const ScoreOptions& options) const {
  std::vector<std::vector<FrameScore>> scores;
  for (const FrameGroup& group : groups) {
    std::vector<FrameScore>& row = scores.emplace_back();
    std::vector<const Frame*> gens;
    for (const Frame& gen : group.gens) {
      row.push_back(ScorePair(group.gt, gen, options));
      gens.push_back(&gen);
    }
    if (!options.lpips) continue;
    const std::vector<double> distances = options.lpips->Distances(group.gt, gens);
    for (size_t i = 0; i < row.size(); ++i) row[i].lpips = distances[i];
  }
  return scores;
}

}  // namespace teacache
