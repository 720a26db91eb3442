#include "tests/metrics/gpu/gpu_checks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "metrics/gpu/frame_kernels.h"
#include "metrics/gpu/gpu_scorer.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/gpu/gpu_inputs.h"

namespace teacache {
namespace {

// Stands for a metric that has a kernel: only asked what it is.
class Named : public Metric {
 public:
  explicit Named(std::string kernel) : Metric({.name = kernel}), kernel_(std::move(kernel)) {}
  std::vector<double> Score(std::span<const FramePair>) const override { return {}; }
  std::string_view Kernel() const override { return kernel_; }

 private:
  std::string kernel_;
};

const Metrics kSsimAndLpips = {std::make_shared<Named>("ssim"), std::make_shared<Named>("lpips")};

uint64_t PlainSquaredError(const Frame& a, const Frame& b) {
  uint64_t sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    const int difference = int{a.rgb[i]} - int{b.rgb[i]};
    sum += static_cast<uint64_t>(difference * difference);
  }
  return sum;
}

double PlainSsim(const Frame& a, const Frame& b) {
  return PlainSsim(ToPlanes(a, false), ToPlanes(b, false));
}

// Every picture with every one, itself too.
at::Tensor AllPairs(int n, at::Device device) {
  std::vector<int32_t> pairs;
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) pairs.insert(pairs.end(), {a, b});
  }
  return at::tensor(pairs, at::kInt).view({-1, 2}).to(device);
}

// Pictures of one size that differ in every way that matters.
std::vector<Frame> Pictures(int width, int height) {
  const uint32_t seed = static_cast<uint32_t>(100 * width + height);
  std::vector<Frame> frames = {MakeFrame(Content::kNatural, width, height, seed)};
  frames.push_back(AddNoise(frames[0], 6, seed + 1));
  frames.push_back(MakeFrame(Content::kFlat, width, height, seed + 2));
  frames.push_back(AddNoise(frames[2], 1, seed + 3));
  frames.push_back(MakeFrame(Content::kNoise, width, height, seed + 4));
  return frames;
}

std::vector<std::pair<int, int>> Sizes() {
  std::vector<std::pair<int, int>> sizes;
  for (int size = 11; size <= 40; ++size) sizes.emplace_back(size, 11 + (size * 7) % 30);
  // Around the tiles of 32x16 windows.
  for (const auto& [width, height] : {std::pair(42, 26), {43, 27}, {74, 42}, {75, 43}, {131, 17}}) {
    sizes.emplace_back(width, height);
  }
  return sizes;
}

// The definition of LPIPS with spatial = true, in double.
double PlainLpips(LpipsNet net, const LpipsWeights& weights, const Frame& a, const Frame& b) {
  const Frame* const frames[] = {&a, &b};
  const auto features = LpipsFeatures(net, weights, LpipsInput(frames, at::kDouble));
  double sum = 0;
  for (size_t layer = 0; layer < features.size(); ++layer) {
    const at::Tensor& f = features[layer];
    const at::Tensor unit = f / (f.square().sum(1, true).sqrt() + 1e-10);
    const at::Tensor map =
        ((unit[0] - unit[1]).square() * weights.heads[layer].view({-1, 1, 1})).sum(0);
    sum +=
        at::upsample_bilinear2d(map.view({1, 1, f.size(2), f.size(3)}), {a.height, a.width}, false)
            .mean()
            .item<double>();
  }
  return sum;
}

}  // namespace

void CheckSquaredErrors(at::Device device) {
  for (const auto& [width, height] : {std::pair(1, 1), {7, 3}, {43, 27}, {100, 61}}) {
    std::vector<Frame> frames = Pictures(width, height);
    Frame black{width, height, std::vector<uint8_t>(size_t(width) * height * 3, 0)}, white = black;
    std::fill(white.rgb.begin(), white.rgb.end(), uint8_t{255});
    frames.insert(frames.end(), {black, white});
    const int n = static_cast<int>(frames.size());
    const at::Tensor sums =
        SquaredErrorsOnGpu(ToPictures(frames).to(device), AllPairs(n, device)).cpu();
    ASSERT_EQ(sums.numel(), n * n);
    for (int i = 0; i < n * n; ++i) {
      EXPECT_EQ(static_cast<uint64_t>(sums.const_data_ptr<int64_t>()[i]),
                PlainSquaredError(frames[i / n], frames[i % n]))
          << fmt::format("{}x{} {} {}", width, height, i / n, i % n);
    }
  }
}

void CheckSsim(at::Device device) {
  for (const auto& [width, height] : Sizes()) {
    const std::vector<Frame> frames = Pictures(width, height);
    const int n = static_cast<int>(frames.size());
    const at::Tensor deficits =
        SsimDeficitsOnGpu(ToPictures(frames).to(device), AllPairs(n, device)).cpu();
    const double* deficit = deficits.const_data_ptr<double>();
    for (int i = 0; i < n * n; ++i) {
      SCOPED_TRACE(fmt::format("{}x{} {} {}", width, height, i / n, i % n));
      const double ssim = 1 - deficit[i] / (3.0 * (width - 10) * (height - 10));
      if (i / n == i % n) {
        EXPECT_EQ(deficit[i], 0);
      } else {
        EXPECT_NEAR(ssim, PlainSsim(frames[i / n], frames[i % n]), 1e-7);
      }
      EXPECT_EQ(deficit[i], deficit[i % n * n + i / n]) << "symmetric";
    }
  }
}

void CheckLayerDistances(at::Device device) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(3);
  for (const auto& [channels, height, width] :
       {std::tuple(1, 1, 1), {3, 5, 7}, {64, 17, 31}, {10, 1, 300}}) {
    SCOPED_TRACE(fmt::format("{}x{}x{}", channels, height, width));
    at::Tensor features = at::relu(at::randn({4, channels, height, width}, generator, at::kFloat));
    features[3].copy_(features[0]);  // an equal one
    features.index({2, at::indexing::Slice(), 0, 0}).zero_();
    const at::Tensor head = at::rand({channels}, generator, at::kFloat);
    const at::Tensor wy = at::rand({height}, generator, at::kDouble);
    const at::Tensor wx = at::rand({width}, generator, at::kDouble);
    const at::Tensor distances =
        LayerDistancesOnGpu(
            features.to(device), AllPairs(4, device), head.to(device), wy.to(device), wx.to(device))
            .cpu();
    const at::Tensor f = features.to(at::kDouble);
    const at::Tensor unit = f / (f.square().sum(1, true).sqrt() + 1e-10);
    const at::Tensor weights = wy.view({-1, 1}) * wx.view({1, -1});
    for (int i = 0; i < 16; ++i) {
      const at::Tensor map =
          ((unit[i / 4] - unit[i % 4]).square() * head.to(at::kDouble).view({-1, 1, 1})).sum(0);
      const double expected = (map * weights).sum().item<double>();
      const double distance = distances.const_data_ptr<double>()[i];
      EXPECT_NEAR(distance, expected, 1e-15 + 2e-6 * std::abs(expected)) << i;
      if (i % 4 == i / 4 || i == 3 || i == 12) {
        EXPECT_EQ(distance, 0) << i;
      }
    }
  }
}

void CheckLargePictures(at::Device device) {
  const at::Tensor one_pair = at::tensor(std::vector<int32_t>{0, 1}, at::kInt).view({1, 2});
  const auto pair_of = [](int width, int height) {
    std::vector<Frame> frames = {MakeFrame(Content::kNoise, width, height, 1)};
    frames.push_back(AddNoise(frames[0], 20, 2));
    return frames;
  };
  const std::vector<Frame> large = pair_of(2905, 2003);
  const at::Tensor errors =
      SquaredErrorsOnGpu(ToPictures(large).to(device), one_pair.to(device)).cpu();
  EXPECT_EQ(static_cast<uint64_t>(errors.item<int64_t>()), PlainSquaredError(large[0], large[1]));

  const std::vector<Frame> tiles = pair_of(605, 303);
  const double deficit =
      SsimDeficitsOnGpu(ToPictures(tiles).to(device), one_pair.to(device)).cpu().item<double>();
  EXPECT_NEAR(1 - deficit / (3.0 * 595 * 293), PlainSsim(tiles[0], tiles[1]), 1e-7);

  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(5);
  const at::Tensor features = at::rand({2, 2, 601, 607}, generator, at::kFloat);
  const at::Tensor head = at::ones({2}, at::kFloat);
  const at::Tensor wy = at::rand({601}, generator, at::kDouble);
  const at::Tensor wx = at::rand({607}, generator, at::kDouble);
  const double distance =
      LayerDistancesOnGpu(
          features.to(device), one_pair.to(device), head.to(device), wy.to(device), wx.to(device))
          .cpu()
          .item<double>();
  const at::Tensor f = features.to(at::kDouble);
  const at::Tensor unit = f / (f.square().sum(1, true).sqrt() + 1e-10);
  const at::Tensor map = (unit[0] - unit[1]).square().sum(0);
  const double expected = (map * wy.view({-1, 1}) * wx).sum().item<double>();
  EXPECT_NEAR(distance, expected, 2e-6 * expected);
}

void CheckScorer(at::Device device) {
  at::set_num_threads(1);
  std::vector<FrameGroup> groups;
  for (const auto& [width, height] : {std::pair(40, 31), {40, 31}, {33, 35}, {40, 31}, {40, 31}}) {
    std::vector<Frame> frames = Pictures(width, height);
    FrameGroup group;
    group.gt = frames[0];
    group.gens.assign(frames.begin() + 1, frames.begin() + 1 + (groups.size() % 3));
    if (groups.size() == 4) group.gens.push_back(frames[0]);  // identical
    groups.push_back(group);
  }
  GpuScorerOptions options;
  options.lpips = LpipsNet::kAlex;
  options.weights = RandomWeights(LpipsNet::kAlex, at::kFloat);
  const LpipsWeights in_double = RandomWeights(LpipsNet::kAlex, at::kDouble);
  for (int64_t batch_pixels : {int64_t{1}, int64_t{4000}, int64_t{0}}) {
    options.batch_pixels = batch_pixels;
    const GpuFrameScorer scorer(device, options);
    const auto scores = scorer.Score(groups, kSsimAndLpips);
    ASSERT_EQ(scores.size(), groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      ASSERT_EQ(scores[g].size(), groups[g].gens.size());
      for (size_t i = 0; i < groups[g].gens.size(); ++i) {
        SCOPED_TRACE(fmt::format("batches of {}: {} {}", batch_pixels, g, i));
        const Frame &gt = groups[g].gt, &gen = groups[g].gens[i];
        EXPECT_EQ(scores[g][i].squared_error, PlainSquaredError(gt, gen));
        EXPECT_NEAR(scores[g][i].values[0], PlainSsim(gt, gen), 1e-7);
        const double lpips = PlainLpips(LpipsNet::kAlex, in_double, gt, gen);
        EXPECT_NEAR(scores[g][i].values[1], lpips, std::max(1e-6, 1e-5 * lpips));
        if (gt.rgb == gen.rgb) {
          EXPECT_EQ(scores[g][i].values[0], 1);
          EXPECT_EQ(scores[g][i].values[1], 0);
        }
      }
    }
  }
  // Left to the CPU.
  const GpuFrameScorer scorer(device, options);
  const Metrics other = {std::make_shared<Named>("")};
  EXPECT_TRUE(std::isnan(scorer.Score(groups, other)[1][0].values[0]));
  EXPECT_GE(scorer.BatchFrames(64, 64), 16);
  EXPECT_GE(scorer.BatchFrames(1920, 1080), 8);
  EXPECT_EQ(scorer.BatchFrames(20000, 20000), 1);
}

void CheckLpips(at::Device device, bool tf32) {
  at::set_num_threads(1);  // small pictures: more threads only wait for each other
  for (LpipsNet net : {LpipsNet::kAlex, LpipsNet::kSqueeze, LpipsNet::kVgg}) {
    SCOPED_TRACE(LpipsNetName(net));
    const std::vector<Frame> frames = Pictures(45, 37);
    FrameGroup group;
    group.gt = frames[0];
    group.gens.assign(frames.begin() + 1, frames.end());
    GpuScorerOptions options;
    options.lpips = net;
    options.weights = RandomWeights(net, at::kFloat);
    options.tf32 = tf32;
    const auto scores = GpuFrameScorer(device, options).Score({&group, 1}, kSsimAndLpips);
    const LpipsWeights in_double = RandomWeights(net, at::kDouble);
    for (size_t i = 0; i < group.gens.size(); ++i) {
      const double expected = PlainLpips(net, in_double, group.gt, group.gens[i]);
      EXPECT_NEAR(scores[0][i].values[1], expected, tf32 ? 5e-4 : std::max(1e-6, 1e-5 * expected));
    }
  }
}

}  // namespace teacache
