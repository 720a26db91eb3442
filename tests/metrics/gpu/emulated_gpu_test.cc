// GpuFrameScorer and its kernels without a GPU: the kernels' code runs on the CPU, thread by thread
// (emulated_frame_kernels.cc), and everything else on the devices of tests/support/fake_cuda.h.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metrics/gpu/gpu_scorer.h"
#include "metrics/pairs/score_video.h"
#include "tests/metrics/frames/plain_metrics.h"
#include "tests/metrics/gpu/gpu_checks.h"

namespace teacache {
namespace {

const at::Device kDevice(at::kCUDA, 1);

TEST(EmulatedGpu, SquaredErrorsAreExact) { CheckSquaredErrors(kDevice); }
TEST(EmulatedGpu, SsimEqualsPlain) { CheckSsim(kDevice); }
TEST(EmulatedGpu, LayerDistancesEqualPlain) { CheckLayerDistances(kDevice); }
TEST(EmulatedGpu, LargePictures) { CheckLargePictures(kDevice); }
TEST(EmulatedGpu, BatchesGiveWhatPairsGive) { CheckScorer(kDevice); }
TEST(EmulatedGpu, LpipsEqualsItsDefinition) { CheckLpips(kDevice, /*tf32=*/false); }

// Frames that wait for a batch change nothing: whole videos, some of which end early.
TEST(EmulatedGpu, VideosScoreAsOnTheCpu) {
  Video gt;
  gt.fps = 8;
  for (uint32_t t = 0; t < 9; ++t) gt.frames.push_back(MakeFrame(Content::kNatural, 40, 34, t));
  std::vector<Video> gens(3, gt);
  for (size_t i = 0; i < gens.size(); ++i) {
    for (Frame& frame : gens[i].frames) frame = AddNoise(frame, 3 + static_cast<int>(i), 5);
  }
  gens[0].frames[4] = gt.frames[4];
  gens[1].frames.resize(5);
  for (Frame& frame : gens[2].frames) frame = MakeFrame(Content::kNatural, 44, 30, 3);

  const ScoreOptions on_cpu = [] {
    ScoreOptions options;
    options.length = LengthPolicy::kMin;
    options.size = SizePolicy::kCrop;
    options.per_frame = true;
    return options;
  }();
  ScoreOptions batches = on_cpu;
  for (int64_t frames : {1, 2, 4, 100}) {
    GpuScorerOptions gpu;
    gpu.batch_pixels = frames * 2 * 40 * 34;
    batches.scorer = std::make_shared<const GpuFrameScorer>(kDevice, gpu);
    for (const Video& gen : gens) {
      const VideoScore a = ScoreVideos(gt, gen, on_cpu), b = ScoreVideos(gt, gen, batches);
      EXPECT_EQ(b.error, "");
      EXPECT_EQ(a.frames, b.frames);
      EXPECT_EQ(a.identical_frames, b.identical_frames);
      EXPECT_EQ(a.warnings, b.warnings);
      EXPECT_EQ(a.per_frame.at("psnr"), b.per_frame.at("psnr"));
      ASSERT_EQ(a.per_frame.at("ssim").size(), b.per_frame.at("ssim").size());
      for (size_t t = 0; t < a.per_frame.at("ssim").size(); ++t) {
        EXPECT_NEAR(a.per_frame.at("ssim")[t], b.per_frame.at("ssim")[t], 2e-7);
      }
    }
    ScoreOptions strict = batches;
    strict.length = LengthPolicy::kStrict;
    EXPECT_THAT(ScoreVideos(gt, gens[1], strict).error, testing::HasSubstr("has only 5"));
    EXPECT_THAT(ScoreVideos(gens[1], gt, strict).error, testing::HasSubstr("must have 5 frames"));
    // A variant that stays on the CPU.
    ScoreOptions ffmpeg = batches, ffmpeg_cpu = on_cpu;
    ffmpeg.metrics = ffmpeg_cpu.metrics = MakeMetrics("psnr,ssim", {.ssim_variant = "ffmpeg"});
    EXPECT_EQ(ScoreVideos(gt, gens[0], ffmpeg).scores, ScoreVideos(gt, gens[0], ffmpeg_cpu).scores);
  }
}

}  // namespace
}  // namespace teacache
