// LatteT2V's config and the denoising run of Latte and Open-Sora-Plan, without golden data.

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "datasets/base/error.h"
#include "runners/models/latte_t2v.h"
#include "runners/schedulers/ddim.h"
#include "runners/schedulers/pndm.h"
#include "runners/systems/latte_run.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json TinyConfig() {
  return json::parse(R"({
    "num_attention_heads": 2, "attention_head_dim": 4, "in_channels": 4, "out_channels": 8,
    "num_layers": 1, "cross_attention_dim": null, "sample_size": 8, "patch_size": 2,
    "norm_type": "ada_norm_single", "norm_elementwise_affine": false, "norm_eps": 1e-6,
    "caption_channels": 6, "video_length": 4, "attention_bias": true,
    "activation_fn": "gelu-approximate"})");
}

std::string ParseError(const json& config) {
  try {
    ParseLatteT2VConfig(config, "config.json");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

LatteT2V TinyModel(const json& config) {
  RandomParameters source(7);
  return LatteT2V(&source, ParseLatteT2VConfig(config, "config.json"));
}

TEST(LatteT2VConfig, ReadsBothForms) {
  const LatteT2VConfig latte = ParseLatteT2VConfig(TinyConfig(), "config.json");
  EXPECT_EQ(latte.hidden_size(), 8);
  EXPECT_EQ(latte.video_length, 4);
  EXPECT_FALSE(latte.open_sora_plan);
  EXPECT_EQ(latte.temporal_scale(), 1);
  json plan = TinyConfig();
  plan["sample_size"] = {16, 8};
  plan["use_rope"] = false;
  plan["video_length"] = 65;
  const LatteT2VConfig other = ParseLatteT2VConfig(plan, "config.json");
  EXPECT_TRUE(other.open_sora_plan);
  EXPECT_EQ(other.sample_size, 16);
  EXPECT_EQ(other.temporal_scale(), 4);
  plan["interpolation_scale_1d"] = 2.5;
  EXPECT_EQ(ParseLatteT2VConfig(plan, "config.json").temporal_scale(), 2.5);
}

TEST(LatteT2VConfig, NamesWhatIsWrong) {
  const auto with = [](const char* name, const json& value) {
    json config = TinyConfig();
    config[name] = value;
    return ParseError(config);
  };
  EXPECT_EQ(with("use_rope", true), "config.json: use_rope must be false but is true");
  EXPECT_EQ(with("compress_kv_factor", 2), "config.json: compress_kv_factor must be 1 but is 2");
  EXPECT_THAT(with("norm_type", "layer_norm"), HasSubstr("norm_type must be ada_norm_single"));
  EXPECT_THAT(with("_class_name", "STDiT3"), HasSubstr("_class_name must be LatteT2V"));
  EXPECT_THAT(with("num_layers", 0), HasSubstr("num_layers must be 1 to"));
  EXPECT_THAT(with("num_layers", "28"), HasSubstr("\"num_layers\" must be an integer"));
  EXPECT_THAT(with("num_layers", nullptr), HasSubstr("must have the field \"num_layers\""));
  EXPECT_THAT(with("cross_attention_dim", 9), HasSubstr("cross_attention_dim must be"));
  EXPECT_THAT(with("sample_size", json::array()), HasSubstr("sample_size"));
  EXPECT_THAT(with("norm_eps", 0), HasSubstr("norm_eps must be above 0"));
  EXPECT_THAT(ParseError(json::array()), HasSubstr("must be a JSON object"));
}

TEST(LatteT2V, RefusesLatentsThatItsPositionsDoNotFit) {
  const LatteT2V model = TinyModel(TinyConfig());
  const at::Tensor text = at::randn({1, 3, 6});
  const auto error = [&](std::vector<int64_t> shape) {
    return ErrorOf([&] { model.Prepare(text, shape); });
  };
  EXPECT_EQ(error({1, 4, 4, 8, 6}), "no error");
  EXPECT_EQ(error({1, 4, 1, 8, 6}), "no error");  // a picture: no temporal positions
  EXPECT_THAT(error({1, 4, 5, 8, 6}), HasSubstr("must have the model's 4 frames but has 5"));
  EXPECT_THAT(error({1, 4, 4, 7, 6}), HasSubstr("must be multiples of 2"));
}

class LatteRunTest : public testing::Test {
 protected:
  const LatteT2V model_ = TinyModel(TinyConfig());
  const std::vector<int64_t> shape_ = {1, 4, 4, 4, 4};
};

TEST_F(LatteRunTest, WithoutGuidanceThePromptGoesAlone) {
  const at::NoGradGuard no_grad;
  const at::Tensor text = at::randn({2, 3, 6});
  const at::Tensor latent = at::randn(shape_);
  LatteRun both(model_, text, {500, 0}, 1.0, shape_);
  LatteRun alone(model_, text.slice(0, 1, 2), {500, 0}, 1.0, shape_);
  const auto predict = [&](LatteRun* run) {
    const auto embedding = run->Embed(0, 0, latent, true);
    return run->Guide({run->Head(0, 0, run->Blocks(0, 0, embedding.streams), latent)});
  };
  const at::Tensor out = predict(&alone);
  EXPECT_EQ(out.sizes(), at::IntArrayRef(shape_));
  EXPECT_TRUE(TensorsNearRel(out, predict(&both), 1e-5));
}

// Values of timesteps decide, not positions: PNDM of four steps ends with timestep 0 twice.
TEST_F(LatteRunTest, ForcedCallsAreFoundByTimestep) {
  std::vector<double> timesteps;
  for (const int t : PndmTimesteps({.steps = 4})) timesteps.push_back(t);
  const int calls = static_cast<int>(timesteps.size());
  ASSERT_EQ(calls, 13);
  const LatteRun run(model_, at::randn({2, 3, 6}), timesteps, 7.5, shape_);
  EXPECT_TRUE(run.IsFirst(0, calls));
  EXPECT_TRUE(run.IsLast(calls - 1, calls));
  EXPECT_TRUE(run.IsLast(calls - 2, calls));
  EXPECT_FALSE(run.IsLast(calls - 3, calls));
  EXPECT_FALSE(run.IsLast(0, calls));
}

TEST(NoiseSchedule, ReadsAndRefuses) {
  const NoiseSchedule base;
  const NoiseSchedule read = ParseNoiseSchedule(
      json::parse(R"({"beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1,
                      "trained_betas": null, "set_alpha_to_one": false, "clip_sample": true})"),
      "scheduler_config.json",
      base);
  EXPECT_EQ(read.beta_end, 0.012);
  EXPECT_EQ(read.beta_start, base.beta_start);
  EXPECT_EQ(read.beta_schedule, NoiseSchedule::Betas::kScaledLinear);
  EXPECT_FALSE(read.set_alpha_to_one);
  EXPECT_EQ(DdimTimesteps({read, 4}), (std::vector<int>{751, 501, 251, 1}));
  const auto error = [](const char* text) {
    return ErrorOf([&] { ParseNoiseSchedule(json::parse(text), "s.json"); });
  };
  EXPECT_EQ(error(R"({"prediction_type": "v_prediction"})"),
            "s.json: prediction_type must be epsilon but is v_prediction");
  EXPECT_EQ(error(R"({"timestep_spacing": "karras"})"),
            "s.json: timestep_spacing must be one of leading, linspace, trailing but is karras");
  EXPECT_THAT(error(R"({"thresholding": true})"), HasSubstr("thresholding must be false"));
  EXPECT_THAT(error(R"({"trained_betas": [0.1]})"), HasSubstr("trained_betas"));
  EXPECT_THAT(error(R"({"beta_schedule": "squaredcos_cap_v2"})"), HasSubstr("beta_schedule"));
  EXPECT_THAT(error(R"({"beta_start": 0.5, "beta_end": 0.1})"), HasSubstr("beta_start"));
  EXPECT_THAT(error(R"([])"), HasSubstr("must be a JSON object"));
}

// As numpy makes them: round(linspace(0, 999, n)), round(arange(1000, 0, -1000 / n)) - 1.
TEST(Schedulers, SpacingsOfDiffusers) {
  NoiseSchedule schedule;
  schedule.timestep_spacing = NoiseSchedule::Spacing::kLinspace;
  EXPECT_EQ(DdimTimesteps({schedule, 4}), (std::vector<int>{999, 666, 333, 0}));
  EXPECT_EQ(DdimTimesteps({schedule, 3}), (std::vector<int>{999, 500, 0}));
  EXPECT_EQ(DdimTimesteps({schedule, 1}), (std::vector<int>{0}));
  schedule.timestep_spacing = NoiseSchedule::Spacing::kTrailing;
  EXPECT_EQ(DdimTimesteps({schedule, 4}), (std::vector<int>{999, 749, 499, 249}));
  EXPECT_EQ(DdimTimesteps({schedule, 3}), (std::vector<int>{999, 666, 332}));
  EXPECT_THAT(ErrorOf([&] { PndmTimesteps({schedule, 10}); }), HasSubstr("must be leading"));
}

TEST(Schedulers, RefuseStepsOutOfRange) {
  EXPECT_THAT(ErrorOf([] { DdimTimesteps({{}, 0}); }), HasSubstr("--steps: must be 1 to 1000"));
  EXPECT_THAT(ErrorOf([] { DdimTimesteps({{}, 1001}); }), HasSubstr("but is 1001"));
  EXPECT_THAT(ErrorOf([] { PndmTimesteps({{}, 3}); }), HasSubstr("must be 4 to 1000"));
  NoiseSchedule late;
  late.steps_offset = 999;
  EXPECT_THAT(ErrorOf([&] { DdimTimesteps({late, 10}); }), HasSubstr("steps_offset is too large"));
}

TEST(Schedulers, PndmStepsOfCalls) {
  const auto scheduler = MakePndmScheduler({{}, 10});
  std::vector<int> steps;
  for (int i = 0; i < scheduler->num_calls(); ++i) steps.push_back(scheduler->StepOf(i));
  EXPECT_EQ(steps, (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9}));
}

// With a model that is right (epsilon is the noise that was put in), both end at the clean sample.
TEST(Schedulers, ATrueModelLeadsToTheCleanSample) {
  const NoiseSchedule schedule;
  const AlphaBars alpha_bars(schedule);
  const at::Tensor clean = at::linspace(-2, 2, 5, at::kDouble);
  const at::Tensor noise = at::linspace(1, -0.5, 5, at::kDouble);
  for (const bool ddim : {true, false}) {
    const auto scheduler =
        ddim ? MakeDdimScheduler({schedule, 20}) : MakePndmScheduler({schedule, 20});
    const at::Tensor a = alpha_bars.At(static_cast<int>(scheduler->TimestepOf(0)));
    at::Tensor x = a.sqrt() * clean + (1 - a).sqrt() * noise;
    for (int call = 0; call < scheduler->num_calls(); ++call) {
      x = scheduler->Step(call, noise, x);
    }
    EXPECT_TRUE(TensorsNear(x, clean, 0, 1e-4)) << scheduler->name();
  }
}

}  // namespace
}  // namespace teacache
