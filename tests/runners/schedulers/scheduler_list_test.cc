// Schedulers by their diffusers names: their sequences are those of diffusers.

#include "runners/schedulers/scheduler_list.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/runners/schedulers/sequences.h"
#include "tests/support/matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using nlohmann::json;

SigmaList Sigmas(const SchedulerSequence& sequence) {
  SigmaList list;
  list.steps = sequence.steps;
  const std::string kind = sequence.sigmas;
  if (kind == "linear") list.kind = SigmaList::Kind::kLinear;
  if (kind == "linear_quadratic") list.kind = SigmaList::Kind::kLinearQuadratic;
  if (sequence.mu != 0) list.mu = sequence.mu;
  return list;
}

at::Tensor Numbers(double (*f)(double), double start) {
  const at::Tensor numbers = at::empty({1, 4, 1}, at::kFloat);
  for (int i = 0; i < 4; ++i) numbers[0][i][0] = f(start + i);
  return numbers;
}

TEST(DiffusersSchedulers, SequencesEqualThoseOfDiffusers) {
  for (const SchedulerSequence& sequence : kSchedulerSequences) {
    SCOPED_TRACE(testing::Message() << sequence.name << " " << sequence.config);
    const auto scheduler = MakeDiffusersScheduler(
        sequence.name, json::parse(sequence.config), "test", Sigmas(sequence));
    ASSERT_EQ(scheduler->num_calls(), static_cast<int>(sequence.timesteps.size()));
    at::Tensor latent = Numbers([](double x) { return std::cos(x); }, 1);
    for (int call = 0; call < scheduler->num_calls(); ++call) {
      EXPECT_NEAR(scheduler->TimestepOf(call), sequence.timesteps[call], 1e-6 * 1000);
      const at::Tensor c = Numbers([](double x) { return std::sin(x); }, 1 + 4 * call);
      latent = scheduler->Step(call, 0.3 * latent + c, latent);
      // Of the largest value: differences of large ones cancel.
      const auto first = sequence.latents.begin() + 4 * call;
      const std::vector<double> expected(first, first + 4);
      const std::vector<float> values(latent.data_ptr<float>(), latent.data_ptr<float>() + 4);
      EXPECT_TRUE(NearRel(values, expected, 1e-6)) << "call " << call;
    }
  }
}

TEST(DiffusersSchedulers, WhatWouldBeAnotherSchedulerIsRefused) {
  const SigmaList four = {.steps = 4};
  const auto make = [&](const char* name, const json& config, const SigmaList& sigmas) {
    return ErrorOf([&] { MakeDiffusersScheduler(name, config, "bundle.json", sigmas); });
  };
  const char* const euler = "FlowMatchEulerDiscreteScheduler";
  const char* const dpm = "DPMSolverMultistepScheduler";
  const char* const unipc = "UniPCMultistepScheduler";
  EXPECT_THAT(make("HeunDiscreteScheduler", json::object(), four),
              testing::HasSubstr("must be one of Cog"));
  EXPECT_THAT(make(euler, {{"use_karras_sigmas", true}}, four),
              testing::HasSubstr("use_karras_sigmas must be false"));
  EXPECT_THAT(make(euler, {{"use_dynamic_shifting", true}}, four),
              testing::HasSubstr("mu must be given"));
  EXPECT_THAT(make(dpm, {{"algorithm_type", "sde-dpmsolver++"}}, four),
              testing::HasSubstr("algorithm_type must be dpmsolver++"));
  EXPECT_THAT(make(unipc, json::object(), four), testing::HasSubstr("use_flow_sigmas"));
  EXPECT_THAT(make("DDIMScheduler", {{"thresholding", true}}, four),
              testing::HasSubstr("thresholding must be false"));
  EXPECT_THAT(make(euler, json::object(), {.steps = 0}), testing::HasSubstr("--steps"));
  const SigmaList three = {.kind = SigmaList::Kind::kGiven, .steps = 4, .given = {1, 0.5, 0.2}};
  EXPECT_THAT(make(euler, json::object(), three), testing::HasSubstr("must be 3"));
}

}  // namespace
}  // namespace teacache
