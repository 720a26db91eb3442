#pragma once

#include <cstdint>
#include <random>

#include "datasets/video/video.h"

namespace teacache {

// A moving gradient with a square and a little noise, the same for the same arguments: enough
// detail that a wrong row, frame or colour channel is seen.
inline Video MakeTestVideo(int width, int height, int frames, uint32_t seed = 1) {
  Video video;
  video.fps = 8;
  std::mt19937 random(seed);
  for (int t = 0; t < frames; ++t) {
    Frame frame{width, height, {}};
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const bool square = x > width / 4 + t && x < width / 2 + t && y > height / 3;
        const int noise = static_cast<int>(random() % 9);
        frame.rgb.push_back(static_cast<uint8_t>((x * 3 + t * 5 + noise) & 0xff));
        frame.rgb.push_back(static_cast<uint8_t>(square ? 200 : (y * 4 + noise) & 0xff));
        frame.rgb.push_back(static_cast<uint8_t>((x + y + 11 * t + noise) & 0xff));
      }
    }
    video.frames.push_back(std::move(frame));
  }
  return video;
}

}  // namespace teacache
