#pragma once

#include <memory>
#include <string>

#include "metrics/lpips/lpips.h"
#include "metrics/pairs/frame_scorer.h"

namespace teacache {

// Where to compare frames: "cpu" gives none (ScoreOptions::scorer's default), "cuda" or "cuda:N" a
// GpuFrameScorer. `lpips`: what ScoreOptions::lpips is, or null. `tf32`: see GpuScorerOptions.
// Throws UserError for a device that is not there and in a build without CUDA.
std::shared_ptr<const FrameScorer> ChooseScorer(const std::string& device,
                                                const Lpips* lpips,
                                                bool tf32 = false);

}  // namespace teacache
