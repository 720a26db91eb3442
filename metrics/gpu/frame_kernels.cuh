// The kernels of frame_kernels.cu: what one block of threads does. nvcc makes device code of this;
// for any other compiler these are plain functions, so that a test can run them on the CPU, thread
// by thread, against the plain formulas (tests/metrics/gpu/emulated_frame_kernels.cc).
//
// A block is a sequence of phases. threads(f) stands for: every thread t of the block calls f(t),
// and all have done so before anything else happens. Within a phase no thread reads what another
// one writes.
#pragma once

#include <cmath>
#include <cstdint>

#include "metrics/frames/ssim_window.h"

#ifdef __CUDACC__
#define TEACACHE_DEVICE __device__ inline
#else
#define TEACACHE_DEVICE inline
#endif

namespace teacache {

inline constexpr int kBlockThreads = 256;

// sums[0] becomes the sum of all kBlockThreads sums.
template <typename T, typename Threads>
TEACACHE_DEVICE void AddUp(T* sums, const Threads& threads) {
  for (int half = kBlockThreads / 2; half > 0; half /= 2) {
    threads([=](int t) {
      if (t < half) sums[t] += sums[t + half];
    });
  }
}

// out[pair] = the sum of partials[pair][0 ... n - 1]. One block per pair.
template <typename T, typename Threads>
TEACACHE_DEVICE void PartialsBlock(
    const T* partials, int n, int pair, T* sums, T* out, const Threads& threads) {
  threads([=](int t) {
    T sum = 0;
    for (int i = t; i < n; i += kBlockThreads) sum += partials[static_cast<int64_t>(pair) * n + i];
    sums[t] = sum;
  });
  AddUp(sums, threads);
  threads([=](int t) {
    if (t == 0) out[pair] = sums[0];
  });
}

// Two pictures per pair, by their indices.
struct PicturePairs {
  const uint8_t* pictures = nullptr;  // [N, height, width, 3]
  const int32_t* pairs = nullptr;     // [P, 2]
  int width = 0;
  int height = 0;

  TEACACHE_DEVICE const uint8_t* Picture(int pair, int side) const {
    return pictures + int64_t{3} * width * height * pairs[2 * pair + side];
  }
};

// ---------------------------------------------------------------------------- squared errors

// partials[pair][block] = the part of the sum of squared differences that this block sees.
template <typename Threads>
TEACACHE_DEVICE void SquaredErrorBlock(const PicturePairs& task,
                                       int block,
                                       int blocks,
                                       int pair,
                                       int64_t* sums,
                                       int64_t* partials,
                                       const Threads& threads) {
  threads([&](int t) {
    const uint8_t* a = task.Picture(pair, 0);
    const uint8_t* b = task.Picture(pair, 1);
    const int64_t samples = int64_t{3} * task.width * task.height;
    const int64_t step = int64_t{kBlockThreads} * blocks;
    int64_t sum = 0;
    for (int64_t i = int64_t{kBlockThreads} * block + t; i < samples; i += step) {
      const int difference = int{a[i]} - int{b[i]};
      sum += difference * difference;
    }
    sums[t] = sum;
  });
  AddUp(sums, threads);
  threads([&](int t) {
    if (t == 0) partials[int64_t{blocks} * pair + block] = sums[0];
  });
}

// ---------------------------------------------------------------------------- SSIM
//
// The formula and its two passes are those of ssim_kernel.cc (u = a + b, v = a - b, law of total
// variance), but every window has a centre of its own: vertically the sample in the middle of the
// column, c; horizontally that of the middle column, k. Both are whole numbers, so that c - k is
// exact.

inline constexpr int kTileWidth = 32;   // windows of a tile
inline constexpr int kTileHeight = 16;  // and their rows
inline constexpr int kHalo = kSsimTaps - 1;
inline constexpr int kTileRows = kTileHeight + kHalo;  // rows of samples
inline constexpr int kTileSamples = 3 * (kTileWidth + kHalo);

struct SsimShared {
  int16_t u[kTileRows][kTileSamples];
  int16_t v[kTileRows][kTileSamples];
  // Of eleven samples one below the other: mean - centre, and variance.
  float offset_u[kTileHeight][kTileSamples];
  float variance_u[kTileHeight][kTileSamples];
  float offset_v[kTileHeight][kTileSamples];
  float variance_v[kTileHeight][kTileSamples];
  double sums[kBlockThreads];
};
static_assert(sizeof(SsimShared) <= 48 * 1024, "what a block may have without asking");

inline int TilesAcross(int width) { return (width - kHalo + kTileWidth - 1) / kTileWidth; }
inline int TilesDown(int height) { return (height - kHalo + kTileHeight - 1) / kTileHeight; }

struct SsimWeights {
  float w[kSsimTaps];
};
TEACACHE_DEVICE SsimWeights WindowWeights() {
  constexpr SsimWeights kWeights = {{kSsimWeights[0],
                                     kSsimWeights[1],
                                     kSsimWeights[2],
                                     kSsimWeights[3],
                                     kSsimWeights[4],
                                     kSsimWeights[5],
                                     kSsimWeights[4],
                                     kSsimWeights[3],
                                     kSsimWeights[2],
                                     kSsimWeights[1],
                                     kSsimWeights[0]}};
  return kWeights;
}

// Mean - centre and variance of eleven samples from `row` on, one below the other.
TEACACHE_DEVICE void ColumnMoments(
    const int16_t (*rows)[kTileSamples], int row, int column, float* offset, float* variance) {
  const SsimWeights weights = WindowWeights();
  const float center = rows[row + kSsimTaps / 2][column];
  float m1 = 0, m2 = 0;
  for (int k = 0; k < kSsimTaps; ++k) {
    const float d = rows[row + k][column] - center;
    m1 += weights.w[k] * d;
    m2 += weights.w[k] * (d * d);
  }
  *offset = m1;
  *variance = m2 - m1 * m1;
}

// Mean and variance of a window whose first column is `column`.
TEACACHE_DEVICE void WindowMoments(const int16_t* centers,
                                   const float* offsets,
                                   const float* variances,
                                   int column,
                                   float* mean,
                                   float* variance) {
  const SsimWeights weights = WindowWeights();
  const float center = centers[column + 3 * (kSsimTaps / 2)];
  float m1 = 0, m2 = 0;
  for (int k = 0; k < kSsimTaps; ++k) {
    const int at = column + 3 * k;
    const float d = (centers[at] - center) + offsets[at];
    m1 += weights.w[k] * d;
    m2 += weights.w[k] * (variances[at] + d * d);
  }
  *mean = center + m1;
  *variance = m2 - m1 * m1;
}

// 1 - SSIM of one window from the moments of u and v.
TEACACHE_DEVICE float WindowDeficit(float mean_u,
                                    float variance_u,
                                    float mean_v,
                                    float variance_v) {
  constexpr float kC1 = 0.0001f * 255 * 255, kC2 = 0.0009f * 255 * 255;
  const float p = mean_u * mean_u + 2 * kC1;
  const float q = mean_v * mean_v;
  const float a = variance_u + 2 * kC2;
  const float b = variance_v;
  return 2 * (p * b + q * a) / ((p + q) * (a + b));
}

// partials[pair][tile] = the sum of 1 - SSIM over the windows of this tile.
template <typename Threads>
TEACACHE_DEVICE void SsimBlock(const PicturePairs& task,
                               int tile,
                               int tiles_across,
                               int tiles,
                               int pair,
                               SsimShared& shared,
                               double* partials,
                               const Threads& threads) {
  const int top = tile / tiles_across * kTileHeight;
  const int left = tile % tiles_across * kTileWidth;
  threads([&](int t) {
    const uint8_t* a = task.Picture(pair, 0);
    const uint8_t* b = task.Picture(pair, 1);
    for (int i = t; i < kTileRows * kTileSamples; i += kBlockThreads) {
      const int row = i / kTileSamples, column = i % kTileSamples;
      const int y = top + row, x = 3 * left + column;
      int u = 0, v = 0;  // outside of the picture: in no window that counts
      if (y < task.height && x < 3 * task.width) {
        const int64_t at = int64_t{3} * task.width * y + x;
        u = int{a[at]} + int{b[at]};
        v = int{a[at]} - int{b[at]};
      }
      shared.u[row][column] = static_cast<int16_t>(u);
      shared.v[row][column] = static_cast<int16_t>(v);
    }
  });
  threads([&](int t) {
    for (int i = t; i < kTileHeight * kTileSamples; i += kBlockThreads) {
      const int row = i / kTileSamples, column = i % kTileSamples;
      ColumnMoments(
          shared.u, row, column, &shared.offset_u[row][column], &shared.variance_u[row][column]);
      ColumnMoments(
          shared.v, row, column, &shared.offset_v[row][column], &shared.variance_v[row][column]);
    }
  });
  threads([&](int t) {
    double sum = 0;
    for (int i = t; i < kTileHeight * kTileWidth * 3; i += kBlockThreads) {
      const int row = i / (kTileWidth * 3), column = i % (kTileWidth * 3);
      if (top + row >= task.height - kHalo || left + column / 3 >= task.width - kHalo) continue;
      const int middle = row + kSsimTaps / 2;
      float mean_u, variance_u, mean_v, variance_v;
      WindowMoments(shared.u[middle],
                    shared.offset_u[row],
                    shared.variance_u[row],
                    column,
                    &mean_u,
                    &variance_u);
      WindowMoments(shared.v[middle],
                    shared.offset_v[row],
                    shared.variance_v[row],
                    column,
                    &mean_v,
                    &variance_v);
      sum += WindowDeficit(mean_u, variance_u, mean_v, variance_v);
    }
    shared.sums[t] = sum;
  });
  AddUp(shared.sums, threads);
  threads([&](int t) {
    if (t == 0) partials[int64_t{tiles} * pair + tile] = shared.sums[0];
  });
}

// ---------------------------------------------------------------------------- LPIPS

// One layer; `a` and `b` are pictures of a pair.
struct LayerPairs {
  const float* features = nullptr;  // [N, channels, height, width]
  const int32_t* pairs = nullptr;   // [P, 2]
  const float* head = nullptr;      // [channels]
  const double* wy = nullptr;       // [height]
  const double* wx = nullptr;       // [width]
  int channels = 0;
  int height = 0;
  int width = 0;
};

// A product that is rounded before anything is added to it: equal features must differ by 0.
TEACACHE_DEVICE float Rounded(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return std::fma(a, b, 0.0f);  // no compiler joins it with another sum
#endif
}

// sum_c head[c] (a / (|a| + 1e-10) - b / (|b| + 1e-10))^2; the values of a pixel are `stride`
// apart.
TEACACHE_DEVICE float PixelDistance(
    const float* a, const float* b, const float* head, int channels, int64_t stride) {
  float sum_a = 0, sum_b = 0;
  for (int c = 0; c < channels; ++c) {
    const float x = a[c * stride], y = b[c * stride];
    sum_a += x * x;
    sum_b += y * y;
  }
  const float scale_a = 1 / (std::sqrt(sum_a) + 1e-10f);
  const float scale_b = 1 / (std::sqrt(sum_b) + 1e-10f);
  float distance = 0;
  for (int c = 0; c < channels; ++c) {
    const float difference = Rounded(a[c * stride], scale_a) - Rounded(b[c * stride], scale_b);
    distance += head[c] * (difference * difference);
  }
  return distance;
}

// partials[pair][block] = this block's part of the weighted sum over the pixels of the layer.
template <typename Threads>
TEACACHE_DEVICE void LayerBlock(const LayerPairs& task,
                                int block,
                                int blocks,
                                int pair,
                                double* sums,
                                double* partials,
                                const Threads& threads) {
  threads([&](int t) {
    const int64_t pixels = int64_t{task.height} * task.width;
    const float* a = task.features + pixels * task.channels * task.pairs[2 * pair];
    const float* b = task.features + pixels * task.channels * task.pairs[2 * pair + 1];
    double sum = 0;
    for (int64_t i = int64_t{kBlockThreads} * block + t; i < pixels;
         i += int64_t{kBlockThreads} * blocks) {
      sum += task.wy[i / task.width] * task.wx[i % task.width] *
             PixelDistance(a + i, b + i, task.head, task.channels, pixels);
    }
    sums[t] = sum;
  });
  AddUp(sums, threads);
  threads([&](int t) {
    if (t == 0) partials[int64_t{blocks} * pair + block] = sums[0];
  });
}

// How many blocks share `items`, when each thread should have about `per_thread` of them.
inline int BlocksFor(int64_t items, int per_thread) {
  const int64_t wanted = items / (int64_t{kBlockThreads} * per_thread) + 1;
  return static_cast<int>(wanted < 1024 ? wanted : 1024);
}

}  // namespace teacache
