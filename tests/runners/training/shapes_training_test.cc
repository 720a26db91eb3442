#include "runners/training/shapes_training.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "datasets/base/error.h"
#include "runners/systems/shapes_weights.h"
#include "runners/training/shapes_samples.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ShapesTrainingOptions Miniature(const std::string& folder) {
  ShapesTrainingOptions options;
  options.work_folder = folder;
  options.autoencoder = TinyShapesAutoencoder();
  options.transformer = TinyShapesTransformer();
  options.frame_steps = 3;
  options.decoder_steps = 3;
  options.code_steps = 3;
  options.refine_steps = 3;
  options.transformer_steps = 3;
  options.pool_videos = 512;
  options.frame_batch = 2;
  options.code_batch = 64;
  options.transformer_batch = 4;
  return options;
}

void ExpectEqual(const ShapesWeights& actual, const ShapesWeights& expected) {
  ASSERT_EQ(actual.autoencoder.size(), expected.autoencoder.size());
  for (const auto& [name, tensor] : expected.autoencoder) {
    EXPECT_TRUE(TensorsEqual(actual.autoencoder.at(name), tensor)) << name;
  }
  ASSERT_EQ(actual.transformer.size(), expected.transformer.size());
  for (const auto& [name, tensor] : expected.transformer) {
    EXPECT_TRUE(TensorsEqual(actual.transformer.at(name), tensor)) << name;
  }
}

TEST(TrainShapes, EveryStageRunsAndTheWeightsLoad) {
  const TempDir folder;
  std::vector<std::string> stages;
  std::vector<int64_t> sampled;
  ShapesTrainingHooks hooks;
  hooks.report = [&](const ShapesTrainingReport& report) {
    stages.push_back(report.stage);
    EXPECT_EQ(report.step, 3);
    EXPECT_TRUE(std::isfinite(report.loss));
  };
  hooks.sample = [&](int64_t step, const ShapesTransformer& t, const ShapesAutoencoder& a) {
    sampled.push_back(step);
    ShapesSampleOptions options;
    options.steps = 2;
    const std::vector<Video> videos = SampleShapesVideos(t, a, {{}, {1, 1, 1, 1, 1, 1}}, options);
    ASSERT_EQ(videos.size(), 2u);
    EXPECT_EQ(videos[1].frames.size(), 16u);
  };
  const ShapesTrainingOptions options = Miniature(folder / "work");
  const ShapesWeights weights = TrainShapes(options, hooks);
  EXPECT_TRUE(weights.finished);
  EXPECT_THAT(stages, ElementsAre("frame", "frame-decoder", "code", "decoder", "transformer"));
  EXPECT_THAT(sampled, ElementsAre(3));
  EXPECT_GT(weights.transformer_loss, 0);
  // Latents and codes were standardised by what the encoders give.
  for (const char* name : {"frame.std", "code.std"}) {
    EXPECT_FALSE(
        at::allclose(weights.autoencoder.at(name), at::ones_like(weights.autoencoder.at(name))));
    EXPECT_GT(weights.autoencoder.at(name).min().item<double>(), 0) << name;
  }
  SaveShapesWeights(folder / "weights",
                    weights.autoencoder,
                    options.autoencoder,
                    weights.transformer,
                    options.transformer,
                    {{"seed", "1"}, {"loss", "0.5"}});
  const ShapesModel model = LoadShapesModel(folder / "weights");
  EXPECT_EQ(model.metadata.at("seed"), "1");
  EXPECT_EQ(model.metadata.at("loss"), "0.5");
  EXPECT_EQ(model.transformer.config().hidden_size, 32);
  EXPECT_EQ(model.transformer_parameters, CountElements(weights.transformer));
}

// Stopped everywhere: in a stage, between stages, while the pool is made.
TEST(TrainShapes, InterruptedRunsEndAsUninterruptedOnes) {
  const TempDir folder;
  const ShapesWeights whole = TrainShapes(Miniature(folder / "whole"), {});
  ASSERT_TRUE(whole.finished);
  const ShapesTrainingOptions options = Miniature(folder / "parts");
  int runs = 0;
  // Polls of `stop` before it says yes: in stages 1 and 2, twice while the pool is made, at the end
  // of stage 4, while the pool is made again for the codes, in stage 5.
  for (const int patience : {2, 4, 6, 5, 16, 5, 11}) {
    std::atomic<int> polls = 0;
    ShapesTrainingHooks hooks;
    hooks.stop = [&] { return ++polls >= patience; };
    const ShapesWeights part = TrainShapes(options, hooks);
    EXPECT_FALSE(part.finished) << patience;
    ++runs;
  }
  const ShapesWeights resumed = TrainShapes(options, {});
  EXPECT_EQ(runs, 7);
  ASSERT_TRUE(resumed.finished);
  ExpectEqual(resumed, whole);
  EXPECT_DOUBLE_EQ(resumed.transformer_loss, whole.transformer_loss);
}

TEST(TrainShapes, OtherSettingsNeedAnotherFolder) {
  const TempDir folder;
  ShapesTrainingOptions options = Miniature(folder / "work");
  ShapesTrainingHooks hooks;
  int polls = 0;
  hooks.stop = [&] { return ++polls >= 1; };
  TrainShapes(options, hooks);
  const auto error = [&]() -> std::string {
    try {
      TrainShapes(options, hooks);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  options.replicas = 1;
  EXPECT_THAT(error(), HasSubstr("frame.checkpoint.safetensors"));
  options.seed = 2;
  EXPECT_THAT(error(), HasSubstr("settings"));
}

TEST(ShapesTrainingOptions, WhatMakesNoSense) {
  const auto error = [](const std::function<void(ShapesTrainingOptions*)>& change) -> std::string {
    ShapesTrainingOptions options = Miniature("work");
    change(&options);
    try {
      options.Validate();
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(error([](ShapesTrainingOptions*) {}), "no error");
  EXPECT_THAT(error([](ShapesTrainingOptions* o) { o->work_folder = ""; }), HasSubstr("work"));
  EXPECT_THAT(error([](ShapesTrainingOptions* o) { o->replicas = 0; }), HasSubstr("replicas"));
  EXPECT_THAT(error([](ShapesTrainingOptions* o) { o->pool_videos = 100; }), HasSubstr("512"));
  EXPECT_THAT(error([](ShapesTrainingOptions* o) { o->pool_videos = 513; }), HasSubstr("513"));
  EXPECT_THAT(error([](ShapesTrainingOptions* o) { o->code_steps = 0; }), HasSubstr("steps"));
  EXPECT_THAT(error([](ShapesTrainingOptions* o) { o->transformer.side = 3; }), HasSubstr("code"));
}

}  // namespace
}  // namespace teacache
