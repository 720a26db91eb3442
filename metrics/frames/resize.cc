#include "metrics/frames/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "datasets/base/error.h"

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

// Rounded to the nearest level, ties to even.
uint8_t ToLevel(float value) {
  return static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f));
}

// One axis after the other.
Frame ResizeWithAntialias(const Frame& frame, int width, int height) {
  const std::vector<Mix> columns = MixesWithAntialias(frame.width, width);
  const std::vector<Mix> rows = MixesWithAntialias(frame.height, height);
  const size_t row = size_t(width) * 3;
  std::vector<float> middle(frame.height * row);
  for (int y = 0; y < frame.height; ++y) {
    const uint8_t* in = &frame.rgb[size_t(y) * frame.width * 3];
    for (int x = 0; x < width; ++x) {
      const Mix& mix = columns[x];
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (size_t j = 0; j < mix.weights.size(); ++j) {
          sum = std::fma(mix.weights[j], static_cast<float>(in[(mix.first + j) * 3 + c]), sum);
        }
        middle[y * row + x * 3 + c] = sum;
      }
    }
  }
  Frame out{width, height, std::vector<uint8_t>(height * row)};
  std::vector<float> sums(row);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t j = 0; j < rows[y].weights.size(); ++j) {
      const float* in = &middle[(rows[y].first + j) * row];
      for (size_t i = 0; i < row; ++i) sums[i] = std::fma(rows[y].weights[j], in[i], sums[i]);
    }
    std::transform(sums.begin(), sums.end(), &out.rgb[y * row], ToLevel);
  }
  return out;
}

// The two samples around a position, and how much of the second.
struct Between {
  int first = 0, second = 0;
  float fraction = 0;
};

std::vector<Between> Positions(int in, int out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<Between> positions(out);
  for (int i = 0; i < out; ++i) {
    const float at = std::max(std::fma(scale, static_cast<float>(i) + 0.5f, -0.5f), 0.0f);
    const int first = std::min(static_cast<int>(at), in - 1);
    positions[i] = {
        first, std::min(first + 1, in - 1), std::clamp(at - static_cast<float>(first), 0.0f, 1.0f)};
  }
  return positions;
}

Frame ResizeOfFour(const Frame& frame, int width, int height) {
  const std::vector<Between> columns = Positions(frame.width, width);
  const std::vector<Between> rows = Positions(frame.height, height);
  Frame out{width, height, {}};
  out.rgb.reserve(size_t(width) * height * 3);
  for (const Between& y : rows) {
    const uint8_t* above = &frame.rgb[size_t(y.first) * frame.width * 3];
    const uint8_t* below = &frame.rgb[size_t(y.second) * frame.width * 3];
    for (const Between& x : columns) {
      const float w00 = (1 - y.fraction) * (1 - x.fraction), w01 = (1 - y.fraction) * x.fraction;
      const float w10 = y.fraction * (1 - x.fraction), w11 = y.fraction * x.fraction;
      for (int c = 0; c < 3; ++c) {
        float sum = static_cast<float>(above[x.second * 3 + c]) * w01;
        sum = std::fma(static_cast<float>(above[x.first * 3 + c]), w00, sum);
        sum = std::fma(static_cast<float>(below[x.first * 3 + c]), w10, sum);
        sum = std::fma(static_cast<float>(below[x.second * 3 + c]), w11, sum);
        out.rgb.push_back(ToLevel(sum));
      }
    }
  }
  return out;
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
  return antialias ? ResizeWithAntialias(frame, width, height) : ResizeOfFour(frame, width, height);
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
  if (gt.width >= gen_width && gt.height >= gen_height)
    return CropCenter(gt, gen_width, gen_height);
  const double w = gt.width, h = gt.height;
  const int width = std::max(gen_width, static_cast<int>(gen_width * (w / h)));
  const int height = std::max(gen_height, static_cast<int>(gen_height * (h / w)));
  return CropCenter(ResizeBilinear(gt, width, height, antialias), gen_width, gen_height);
}

}  // namespace teacache
