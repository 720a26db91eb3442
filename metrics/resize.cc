#include "metrics/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "datasets/error.h"

namespace teacache {
namespace {

// The samples that one output sample is mixed from.
struct Mix {
  int first = 0;
  std::vector<float> weights;
};

std::vector<Mix> MixesWithAntialias(int in, int out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const float support = std::max(scale, 1.0f);
  const float inverse = 1 / support;
  std::vector<Mix> mixes(out);
  for (int i = 0; i < out; ++i) {
    const float center = scale * (static_cast<float>(i) + 0.5f);
    const int first = std::max(static_cast<int>(center - support + 0.5f), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5f), in);
    mixes[i].first = first;
    float total = 0;
    for (int j = first; j < last; ++j) {
      const float distance = std::abs((static_cast<float>(j) - center + 0.5f) * inverse);
      mixes[i].weights.push_back(std::max(1 - distance, 0.0f));
      total += mixes[i].weights.back();
    }
    for (float& weight : mixes[i].weights) weight /= total;
  }
  return mixes;
}

std::vector<Mix> MixesOfTwo(int in, int out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<Mix> mixes(out);
  for (int i = 0; i < out; ++i) {
    const float position = std::max(scale * (static_cast<float>(i) + 0.5f) - 0.5f, 0.0f);
    const int first = std::min(static_cast<int>(position), in - 1);
    const float fraction = std::min(std::max(position - static_cast<float>(first), 0.0f), 1.0f);
    mixes[i].first = first;
    if (first + 1 < in) {
      mixes[i].weights = {1 - fraction, fraction};
    } else {
      mixes[i].weights = {1};
    }
  }
  return mixes;
}

}  // namespace

Frame ResizeBilinear(const Frame& frame, int width, int height, bool antialias) {
  if (width < 1 || height < 1 || frame.width < 1 || frame.height < 1) {
    ThrowUserError("resize",
                   "sizes must be positive but are {}x{} and {}x{}",
                   frame.width,
                   frame.height,
                   width,
                   height);
  }
  if (width == frame.width && height == frame.height) return frame;
  const auto mixes = antialias ? MixesWithAntialias : MixesOfTwo;
  const std::vector<Mix> columns = mixes(frame.width, width);
  const std::vector<Mix> rows = mixes(frame.height, height);
  std::vector<float> middle(size_t(frame.height) * width * 3);
  for (int y = 0; y < frame.height; ++y) {
    const uint8_t* in = &frame.rgb[size_t(y) * frame.width * 3];
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (size_t j = 0; j < columns[x].weights.size(); ++j) {
          sum += columns[x].weights[j] * in[(columns[x].first + j) * 3 + c];
        }
        middle[(size_t(y) * width + x) * 3 + c] = sum;
      }
    }
  }
  Frame out{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  const size_t row = size_t(width) * 3;
  std::vector<float> sums(row);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t j = 0; j < rows[y].weights.size(); ++j) {
      const float* in = &middle[(rows[y].first + j) * row];
      for (size_t i = 0; i < row; ++i) sums[i] += rows[y].weights[j] * in[i];
    }
    for (size_t i = 0; i < row; ++i) {
      out.rgb[y * row + i] =
          static_cast<uint8_t>(std::clamp(std::nearbyint(sums[i]), 0.0f, 255.0f));
    }
  }
  return out;
}

Frame CropCenter(const Frame& frame, int width, int height) {
  if (width > frame.width || height > frame.height || width < 1 || height < 1) {
    ThrowUserError("crop",
                   "the part must fit in the picture of {}x{} but is {}x{}",
                   frame.width,
                   frame.height,
                   width,
                   height);
  }
  const int left = (frame.width - width) / 2, top = (frame.height - height) / 2;
  Frame out{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  for (int y = 0; y < height; ++y) {
    std::copy_n(&frame.rgb[(size_t(top + y) * frame.width + left) * 3],
                size_t(width) * 3,
                &out.rgb[size_t(y) * width * 3]);
  }
  return out;
}

Frame BatchEvalResize(const Frame& gt, int gen_width, int gen_height, bool antialias) {
  const double w = gt.width, h = gt.height;
  const int width = std::max(gen_width, static_cast<int>(gen_width * (w / h)));
  const int height = std::max(gen_height, static_cast<int>(gen_height * (h / w)));
  return CropCenter(ResizeBilinear(gt, width, height, antialias), gen_width, gen_height);
}

}  // namespace teacache
