#include "runners/frames.h"

#include <ATen/Functions.h>

namespace teacache {

Video FramesToVideo(const at::Tensor& frames, double fps) {
  const at::Tensor bytes = ((frames.to(at::kFloat).clamp(-1, 1) + 1) * 127.5 + 0.5)
                               .to(at::kByte)  // truncates, after + 0.5
                               .permute({0, 2, 3, 1})
                               .cpu()
                               .contiguous();
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
