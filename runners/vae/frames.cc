#include "runners/vae/frames.h"

#include <ATen/Functions.h>

namespace teacache {

at::Tensor FramesToBytes(const at::Tensor& frames, FrameRounding rounding) {
  const at::Tensor scaled = rounding == FrameRounding::kNearest
                                ? ((frames.clamp(-1, 1) + 1) / 2 * 255 + 0.5).clamp(0, 255)
                                : (frames / 2 + 0.5).clamp(0, 1) * 255;
  return scaled.to(at::kByte).permute({0, 2, 3, 1}).cpu().contiguous();  // the cast truncates
}

Video FramesToVideo(const at::Tensor& frames, double fps, FrameRounding rounding) {
  const at::Tensor bytes = FramesToBytes(frames, rounding);
  Video video;
  video.fps = fps;
  const int64_t size = bytes[0].numel();
  for (int64_t i = 0; i < bytes.size(0); ++i) {
    Frame frame{static_cast<int>(bytes.size(2)), static_cast<int>(bytes.size(1)), {}};
    const uint8_t* begin = bytes.data_ptr<uint8_t>() + i * size;
    frame.rgb.assign(begin, begin + size);
    video.frames.push_back(std::move(frame));
  }
  return video;
}

}  // namespace teacache
