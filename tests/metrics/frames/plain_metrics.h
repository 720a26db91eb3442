#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// The definitions, written down plainly in double precision: what the fast implementations are
// tested and timed against.

// Planes of samples, [channels][height * width].
struct Planes {
  int width = 0;
  int height = 0;
  std::vector<std::vector<double>> channels;
};

// Interleaved 8-bit samples as float32(u8) / float32(255) when `as_float32` (what TeaCache computes
// from), else as u8 / 255.
Planes ToPlanes(const Frame& frame, bool as_float32);

// Mean over channels of the mean over all 11x11 Gaussian windows (sigma 1.5) inside the picture,
// with peak 1; every sum runs over the whole window.
double PlainSsim(const Planes& a, const Planes& b);
// The same per channel, and the map of one channel, [height - 10, width - 10].
std::vector<double> PlainSsimPerChannel(const Planes& a, const Planes& b);
std::vector<double> PlainSsimMap(const std::vector<double>& a,
                                 const std::vector<double>& b,
                                 int width,
                                 int height);
// Mean over channels and windows of (2 sab + C2) / (saa + sbb + C2).
double PlainContrast(const Planes& a, const Planes& b);

// mean((a - b)^2) in double.
double PlainMse(const Planes& a, const Planes& b);

// Test pictures. "natural": shapes, gradients and texture with a few details; "noise": uniform.
enum class Content { kNatural, kNoise, kFlat, kGradient };
Frame MakeFrame(Content content, int width, int height, uint32_t seed);
// `frame` with noise of at most `amplitude` levels on every sample, clipped to 0 ... 255.
Frame AddNoise(const Frame& frame, int amplitude, uint32_t seed);

}  // namespace teacache
