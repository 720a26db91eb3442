#pragma once

#include <cstring>
#include <vector>

#include "datasets/tensors/safetensors.h"
#include "datasets/video/video.h"
#include "tests/metrics/frames/plain_metrics.h"

namespace teacache {

// uint8 [3, H, W] as a frame.
inline Frame PlanarToFrame(const TensorView& view) {
  Frame frame{static_cast<int>(view.shape[2]), static_cast<int>(view.shape[1]), {}};
  const size_t pixels = size_t(frame.width) * frame.height;
  frame.rgb.resize(3 * pixels);
  for (size_t i = 0; i < 3 * pixels; ++i) {
    frame.rgb[i % pixels * 3 + i / pixels] = static_cast<uint8_t>(view.data[i]);
  }
  return frame;
}

// uint8 [T, H, W, 3] as frames.
inline std::vector<Frame> ToFrames(const TensorView& view) {
  std::vector<Frame> frames(view.shape[0]);
  const size_t samples = size_t(view.shape[1]) * view.shape[2] * 3;
  for (size_t t = 0; t < frames.size(); ++t) {
    frames[t] = {static_cast<int>(view.shape[2]), static_cast<int>(view.shape[1]), {}};
    frames[t].rgb.resize(samples);
    std::memcpy(frames[t].rgb.data(), view.data.data() + t * samples, samples);
  }
  return frames;
}

// [C, H, W] of uint8 (as float32(u8) / float32(255)) or float32.
inline Planes ToPlanes(const TensorView& view) {
  Planes planes{static_cast<int>(view.shape[2]), static_cast<int>(view.shape[1]), {}};
  planes.channels.resize(view.shape[0]);
  const size_t pixels = size_t(planes.width) * planes.height;
  for (size_t i = 0; i < pixels * planes.channels.size(); ++i) {
    float value;
    if (view.dtype == DType::kU8) {
      value = static_cast<uint8_t>(view.data[i]) / 255.0f;
    } else {
      std::memcpy(&value, view.data.data() + 4 * i, 4);
    }
    planes.channels[i / pixels].push_back(value);
  }
  return planes;
}

}  // namespace teacache
