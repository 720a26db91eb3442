#include "reports/findings/video_scores.h"

#include <cmath>
#include <optional>

#include "metrics/pairs/collect_results.h"

namespace teacache {

void SetScores(const VideoScore& score, SweepVideo* video) {
  video->identical = false;
  video->psnr.reset();
  video->ssim.reset();
  video->lpips.reset();
  video->error = score.error;
  if (!score.ok()) return;
  const auto number = [&score](const char* metric) -> std::optional<double> {
    const auto found = score.scores.find(metric);
    if (found == score.scores.end() || !std::isfinite(found->second)) return std::nullopt;
    return found->second;
  };
  video->identical = score.frames > 0 && score.identical_frames == score.frames;
  video->psnr = number("psnr");
  video->ssim = number("ssim");
  video->lpips = number("lpips");
}

std::string ScoresDefinition(const ScoreOptions& options) {
  const Results none = CollectResults({}, options);
  std::string text;
  for (const char* metric : {"psnr", "ssim", "lpips"}) {
    const auto found = none.context.find(metric);
    if (found != none.context.end()) text += found->first + ": " + found->second + "\n";
  }
  return text;
}

}  // namespace teacache
