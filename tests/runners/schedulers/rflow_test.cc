#include "runners/schedulers/rflow.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/base/error.h"
#include "tests/support/matchers.h"

namespace teacache {
namespace {

RflowOptions Steps(int steps) {
  RflowOptions options;
  options.steps = steps;
  return options;
}

TEST(RflowTimesteps, UniformByHand) {
  EXPECT_THAT(RflowTimesteps(Steps(4)), ::testing::ElementsAre(1000, 750, 500, 250));
  EXPECT_THAT(RflowTimesteps(Steps(1)), ::testing::ElementsAre(1000));
}

TEST(RflowTimesteps, ShiftByHand) {
  RflowOptions options = Steps(2);
  // An image of 1024 x 1024: ratio sqrt(4) * 1 = 2, t = 0.5 -> 2 * 0.5 / (1 + 0.5) = 2 / 3.
  options.shift = RflowOptions::Shift{1024, 1024, 1, at::kFloat};
  EXPECT_TRUE(Near(RflowTimesteps(options), std::vector<double>{1000, 2000.0 / 3}, 1e-6, 0));
  // A video of 51 frames: 15 latent frames, ratio 2 sqrt(15).
  options.shift->num_frames = 51;
  const double r = 2 * std::sqrt(15.0);
  EXPECT_TRUE(Near(RflowTimesteps(options),
                   std::vector<double>{1000, 1000 * r * 0.5 / (1 + (r - 1) * 0.5)},
                   1e-6,
                   0));
}

// Height times width is beyond float16's 65504.
TEST(RflowTimesteps, LargePicturesInFloat16) {
  RflowOptions options = Steps(2);
  options.shift = RflowOptions::Shift{480, 854, 51, at::kHalf};
  const std::vector<float> half = RflowTimesteps(options);
  options.shift->dtype = at::kFloat;
  EXPECT_EQ(half, RflowTimesteps(options));
  EXPECT_LT(half[1], 1000);
}

TEST(RflowScheduler, StepsByHand) {
  const auto scheduler = MakeRflowScheduler(Steps(4));
  EXPECT_EQ(scheduler->name(), "rflow");
  EXPECT_EQ(scheduler->num_calls(), 4);
  at::Tensor z = at::full({1}, 8.0F);
  std::vector<double> latents;
  for (int call = 0; call < 4; ++call) {
    EXPECT_EQ(scheduler->StepOf(call), call);
    EXPECT_EQ(scheduler->TimestepOf(call), 1000 - 250 * call);
    z = scheduler->Step(call, at::full({1}, static_cast<float>(call + 1)), z);
    latents.push_back(z.item<double>());
  }
  EXPECT_THAT(latents, ::testing::ElementsAre(8.25, 8.75, 9.5, 10.5));
}

// With the exact velocity x0 - noise every number of steps arrives at x0.
TEST(RflowScheduler, StraightPathsArrive) {
  for (const int steps : {1, 3, 30}) {
    const auto scheduler = MakeRflowScheduler(Steps(steps));
    const at::Tensor noise = at::tensor({1.5, -0.5}).to(at::kFloat);
    const at::Tensor x0 = at::tensor({-2.0, 3.0}).to(at::kFloat);
    at::Tensor z = noise;
    for (int call = 0; call < steps; ++call) z = scheduler->Step(call, x0 - noise, z);
    EXPECT_LT((z - x0).abs().max().item<double>(), 1e-5) << steps;
  }
}

TEST(RflowOptions, WhatMakesNoSense) {
  EXPECT_THROW(RflowTimesteps(Steps(0)), UserError);
  EXPECT_THROW(RflowTimesteps(Steps(-3)), UserError);
  RflowOptions options = Steps(3);
  options.shift = RflowOptions::Shift{0, 512, 1, at::kFloat};
  EXPECT_THROW(RflowTimesteps(options), UserError);
  options.shift = RflowOptions::Shift{512, std::nan(""), 1, at::kFloat};
  EXPECT_THROW(RflowTimesteps(options), UserError);
}

}  // namespace
}  // namespace teacache
