#include <algorithm>
#include <cmath>
#include <filesystem>

#include "datasets/video/video.h"
#include "tests/reports/synthetic_sweep.h"

namespace teacache {
namespace {

constexpr int kSize = 64;
constexpr int kFrames = 16;

// A bright square that moves right; `error` shifts it, so that settings differ.
Video Clip(int prompt, int64_t seed, int error) {
  Video video;
  video.fps = 8;
  for (int t = 0; t < kFrames; ++t) {
    Frame frame{kSize, kSize, std::vector<uint8_t>(kSize * kSize * 3, 40)};
    const int left = (4 + 2 * t + error + static_cast<int>(seed) * 8) % (kSize - 18);
    const int top = 6 + 5 * (prompt % 8);
    for (int y = top; y < std::min(top + 16, kSize); ++y) {
      for (int x = left; x < left + 16; ++x) {
        uint8_t* pixel = &frame.rgb[static_cast<size_t>((y * kSize + x) * 3)];
        pixel[0] = 230;
        pixel[1] = static_cast<uint8_t>(40 + 25 * (prompt % 8));
        pixel[2] = 60;
      }
    }
    video.frames.push_back(std::move(frame));
  }
  return video;
}

}  // namespace

void WriteSyntheticVideos(const Report& report, const std::string& folder) {
  for (const ReportRow& row : report.rows) {
    const int error = static_cast<int>(std::lround((row.calls - row.computed_mean) / 8));
    for (const ReportVideo& video : row.videos) {
      const std::filesystem::path path = std::filesystem::path(folder) / video.path;
      std::filesystem::create_directories(path.parent_path());
      WriteVideo(path.string(), Clip(video.prompt, video.seed, error), {.fps = 8});
    }
  }
}

}  // namespace teacache
