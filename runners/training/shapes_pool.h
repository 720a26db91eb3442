#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "datasets/tensors/torch_tensors.h"
#include "runners/training/shapes_training.h"

namespace teacache {

// What random numbers of the trainer are for, mixed into their seeds.
struct ShapesStage {
  enum : uint64_t { kFrame = 1, kFrameDecoder, kPool, kCode, kDecoder, kTransformer };
};

// Frames in the order of memory that convolutions are fastest in.
at::Tensor ChannelsLast(const at::Tensor& frames);

// The random videos that the trainer's stages 3 and 5 learn from, rendered and encoded once. They
// depend on the seed and the frame autoencoder alone, so that a resumed run makes the same again.
class ShapesPool {
 public:
  static constexpr int64_t kVideosPerChunk = 64;  // encoded together
  static constexpr int64_t kWindow = 8;           // consecutive frames, for their smoothness

  // `options` must outlive the pool; `stop` returning true leaves it unfinished.
  ShapesPool(const ShapesTrainingOptions& options, std::function<bool()> stop)
      : options_(options), stop_(std::move(stop)) {}

  // Makes latents and scenes unless they are there; `parameters` are the autoencoder's.
  void Render(const TensorMap& parameters);
  // Rows of `frames` frames in random runs of kWindow of one video; none are held out ones.
  at::Tensor RandomWindows(int64_t frames, const at::Generator& generator) const;
  // Latents at the pool's end, for statistics.
  at::Tensor HeldOut() const;
  // [videos, channels, 16, side, side], by the code autoencoder in `parameters`.
  at::Tensor Codes(const TensorMap& parameters) const;
  void ReleaseLatents() { latents_.reset(); }

  const at::Tensor& latents() const { return latents_; }  // [frames, 256] float16
  const at::Tensor& factors() const { return factors_; }  // [frames, 19]
  const at::Tensor& radius() const { return radius_; }    // [frames]
  const at::Tensor& words() const { return words_; }      // [videos, 6] int64

 private:
  bool Stopped() const { return stop_ && stop_(); }
  void ForEachChunk(const std::function<void(int64_t)>& work) const;

  const ShapesTrainingOptions& options_;
  std::function<bool()> stop_;
  at::Tensor latents_, factors_, radius_, words_;
};

}  // namespace teacache
