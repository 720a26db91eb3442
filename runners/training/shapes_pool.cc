#include "runners/training/shapes_pool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <thread>
#include <vector>

#include "runners/training/autocast.h"
#include "runners/training/shapes_data.h"

namespace teacache {
namespace {

constexpr int64_t kHeldOutFrames = 4096;

}  // namespace

at::Tensor ChannelsLast(const at::Tensor& frames) {
  return frames.contiguous(at::MemoryFormat::ChannelsLast);
}

void ShapesPool::Render(const TensorMap& parameters) {
  if (latents_.defined()) return;
  const int64_t frames = options_.pool_videos * kShapesFrames;
  latents_ = at::empty({frames, options_.autoencoder.LatentSize()}, at::kHalf);
  factors_ = at::empty({frames, kShapesFactors}, at::kFloat);
  radius_ = at::empty({frames}, at::kFloat);
  words_ = at::empty({options_.pool_videos, kShapesSlots}, at::kLong);
  ForEachChunk([&](int64_t chunk) {
    const AutocastScope autocast(options_.bf16, options_.device.type());
    SharedParameters source(parameters);
    const FrameAutoencoder model(&source, options_.autoencoder);
    const ShapesVideos videos =
        RandomShapesVideos(kVideosPerChunk, MixSeed(options_.seed, ShapesStage::kPool, chunk, 0));
    const int64_t begin = chunk * kVideosPerChunk * kShapesFrames;
    const int64_t end = begin + kVideosPerChunk * kShapesFrames;
    const at::Tensor x = ChannelsLast(videos.frames.frames.to(options_.device));
    latents_.slice(0, begin, end).copy_(model.Encode(x).flatten(1));
    factors_.slice(0, begin, end).copy_(videos.frames.factors);
    radius_.slice(0, begin, end).copy_(videos.frames.radius);
    for (int64_t i = 0; i < kVideosPerChunk; ++i) {
      words_[chunk * kVideosPerChunk + i].copy_(ShapesWordIds(videos.prompts[i]));
    }
  });
}

at::Tensor ShapesPool::RandomWindows(int64_t frames, const at::Generator& generator) const {
  const int64_t videos = (latents_.size(0) - kHeldOutFrames) / kShapesFrames;
  const int64_t count = frames / kWindow;
  const at::Tensor video = at::randint(videos, {count, 1}, generator, at::kLong);
  const at::Tensor start =
      at::randint(kShapesFrames - kWindow + 1, {count, 1}, generator, at::kLong);
  return (video * kShapesFrames + start + at::arange(kWindow).unsqueeze(0)).flatten();
}

at::Tensor ShapesPool::HeldOut() const {
  return latents_.slice(0, latents_.size(0) - kHeldOutFrames, latents_.size(0));
}

at::Tensor ShapesPool::Codes(const TensorMap& parameters) const {
  const at::NoGradGuard no_grad;
  SharedParameters source(parameters);
  const FrameCoder model(&source, options_.autoencoder);
  const int64_t channels = options_.transformer.channels;
  const int64_t side = options_.transformer.side;
  at::Tensor codes =
      at::empty({options_.pool_videos, channels, kShapesFrames, side, side}, at::kFloat);
  for (int64_t i = 0; i < options_.pool_videos; i += kVideosPerChunk) {
    const at::Tensor latents =
        latents_.slice(0, i * kShapesFrames, (i + kVideosPerChunk) * kShapesFrames);
    const at::Tensor chunk = model.Encode(latents.to(options_.device, at::kFloat)).cpu();
    codes.slice(0, i, i + kVideosPerChunk)
        .copy_(chunk.view({kVideosPerChunk, kShapesFrames, channels, side, side}).transpose(1, 2));
  }
  return codes;
}

void ShapesPool::ForEachChunk(const std::function<void(int64_t)>& work) const {
  const int64_t chunks = options_.pool_videos / kVideosPerChunk;
  const auto run = [&](int64_t first) {
    const at::NoGradGuard no_grad;
    at::set_num_threads(1);
    for (int64_t chunk = first; chunk < chunks && !Stopped(); chunk += options_.replicas) {
      work(chunk);
    }
  };
  std::vector<std::thread> threads;
  for (int64_t r = 1; r < options_.replicas; ++r) threads.emplace_back(run, r);
  run(0);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace teacache
