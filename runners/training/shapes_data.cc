#include "runners/training/shapes_data.h"

#include <ATen/Functions.h>

#include <algorithm>

namespace teacache {
namespace {

ShapesFrames EmptyFrames(int64_t count) {
  return {at::empty({count, 3, kShapesSize, kShapesSize}, at::kFloat),
          at::empty({count, kShapesFactors}, at::kFloat),
          at::empty({count}, at::kFloat)};
}

void SetFrame(const ShapesPrompt& prompt,
              const ShapesTrack& track,
              int time,
              int64_t index,
              ShapesFrames* frames) {
  const float x = track.x[time];
  const float y = track.y[time];
  const float r = track.radius[time];
  constexpr int64_t kValues = 3 * kShapesSize * kShapesSize;
  RenderShapesFrame(prompt, x, y, r, frames->frames.data_ptr<float>() + index * kValues);
  const auto factors = ShapesSceneFactors(prompt, x, y, r);
  std::copy(
      factors.begin(), factors.end(), frames->factors.data_ptr<float>() + index * kShapesFactors);
  frames->radius.data_ptr<float>()[index] = r;
}

}  // namespace

ShapesFrames RandomShapesFrames(int64_t count, uint64_t seed) {
  ShapesRng rng(seed);
  ShapesFrames frames = EmptyFrames(count);
  for (int64_t i = 0; i < count; ++i) {
    const ShapesPrompt prompt = RandomShapesPrompt(&rng);
    const ShapesTrack track = RandomShapesTrack(prompt, &rng);
    SetFrame(prompt, track, rng.Below(kShapesFrames), i, &frames);
  }
  return frames;
}

ShapesVideos RandomShapesVideos(int64_t count, uint64_t seed) {
  ShapesRng rng(seed);
  ShapesVideos videos{{}, EmptyFrames(count * kShapesFrames)};
  for (int64_t i = 0; i < count; ++i) {
    const ShapesPrompt prompt = RandomShapesPrompt(&rng);
    const ShapesTrack track = RandomShapesTrack(prompt, &rng);
    for (int time = 0; time < kShapesFrames; ++time) {
      SetFrame(prompt, track, time, i * kShapesFrames + time, &videos.frames);
    }
    videos.prompts.push_back(prompt);
  }
  return videos;
}

}  // namespace teacache
