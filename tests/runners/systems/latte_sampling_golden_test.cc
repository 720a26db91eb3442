// Whole denoising loops of Latte and Open-Sora-Plan 1.1, uncached and with TeaCache, against the
// reference pipelines (golden kinds "latte_sampling" and "osp_sampling").

#include <gtest/gtest.h>

#include "calib/rules/cache_policy.h"
#include "runners/sampling/relative_l1.h"
#include "runners/sampling/sampler.h"
#include "runners/schedulers/ddim.h"
#include "runners/schedulers/pndm.h"
#include "runners/systems/latte_run.h"
#include "tests/runners/models/golden_latte.h"
#include "tests/support/matchers.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

constexpr const char* kKinds[] = {"latte_sampling", "osp_sampling"};

std::unique_ptr<Scheduler> SchedulerOf(const GoldenCase& golden, int steps) {
  const NoiseSchedule schedule =
      ParseNoiseSchedule(golden.json.at("scheduler_config"), golden.name);
  return golden.json.at("scheduler_class") == "DDIMScheduler"
             ? MakeDdimScheduler({schedule, steps})
             : MakePndmScheduler({schedule, steps});
}

std::unique_ptr<CachePolicy> PolicyOf(const nlohmann::json& run) {
  if (!run.contains("threshold")) return MakeNoCachePolicy();
  return MakeTeaCachePolicy(
      {run.at("threshold"), Polynomial(run.at("coefficients").get<std::vector<double>>())});
}

SampleResult SampleRun(const GoldenCase& golden,
                       const GoldenTensors& tensors,
                       const nlohmann::json& run,
                       bool keep_latents) {
  const auto scheduler = SchedulerOf(golden, run.at("num_inference_steps"));
  const at::Tensor text =
      at::cat({tensors.In("negative_prompt_embeds"), tensors.In("prompt_embeds")});
  const at::Tensor noise = tensors.In("latents");
  const LatteT2V model = LoadLatteT2V(tensors, golden);
  LatteRun denoising(
      model, text, scheduler->Timesteps(), golden.json.at("guidance_scale"), noise.sizes());
  SampleOptions options;
  options.teacache_mode = TeaCacheMode::kReference;
  options.keep_latents = keep_latents;
  return Sample(&denoising, scheduler.get(), *PolicyOf(run), noise, options);
}

void CompareDecisions(const SampleResult& result, const nlohmann::json& steps, double r_tolerance) {
  ASSERT_EQ(result.calls.size(), steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const CallRecord& record = result.calls[i];
    const auto& expected = steps[i];
    SCOPED_TRACE("call " + std::to_string(i));
    EXPECT_EQ(record.timestep, expected.at("timestep").get<double>());
    EXPECT_EQ(record.decision.compute, expected.at("computed").get<bool>());
    if (!expected.contains("forced")) continue;
    EXPECT_EQ(record.decision.forced, expected.at("forced").get<bool>());
    if (record.decision.forced) continue;
    const double r = expected.at("r");
    EXPECT_NEAR(record.r, r, r_tolerance * r);
    const double accumulated = expected.at("accumulated");
    EXPECT_NEAR(
        record.decision.accumulated, accumulated, 1e-3 * std::max(1.0, std::abs(accumulated)));
  }
}

TEST(LatteSampling, MatchesEveryReferenceRun) {
  for (const char* kind : kKinds) {
    for (const GoldenCase& golden : FindGoldenCases(kind)) {
      SCOPED_TRACE(golden.file.string());
      const GoldenTensors tensors(golden);
      const auto& tolerance = golden.json.at("tolerance");
      const double close = tolerance.at("latents_max_rel_of_absmax");
      for (const auto& [name, run] : golden.json.at("runs").items()) {
        SCOPED_TRACE(name);
        const std::string trace = "out." + name + ".trace_latents";
        const SampleResult result = SampleRun(golden, tensors, run, tensors.Has(trace));
        EXPECT_TRUE(TensorsNearRel(result.latent, tensors.Out(name + ".latents"), close));
        CompareDecisions(result, run.at("steps"), tolerance.at("r_rel"));
        if (tensors.Has(trace)) {
          const std::vector<at::Tensor> entering(result.latents.begin(), result.latents.end() - 1);
          EXPECT_TRUE(TensorsNearRel(at::cat(entering), tensors.At(trace), close));
        }
      }
    }
  }
}

TEST(LatteSampling, NeverSkippingEqualsTheUncachedRunBitForBit) {
  for (const char* kind : kKinds) {
    for (const GoldenCase& golden : FindGoldenCases(kind)) {
      SCOPED_TRACE(golden.file.string());
      const GoldenTensors tensors(golden);
      const auto& runs = golden.json.at("runs");
      EXPECT_TRUE(TensorsEqual(SampleRun(golden, tensors, runs.at("a.never_skip"), false).latent,
                               SampleRun(golden, tensors, runs.at("a.base"), false).latent));
    }
  }
}

// Both halves of the batch in every call: [negative, prompt], all channels.
TEST(LatteSampling, ModelOutputsMatchReference) {
  int compared = 0;
  for (const GoldenCase& golden : FindGoldenCases("latte_sampling")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    if (!tensors.Has("out.a.base.trace_model_output")) continue;
    ++compared;
    const LatteT2V model = LoadLatteT2V(tensors, golden);
    const at::Tensor latents = tensors.Out("a.base.trace_latents");
    const at::Tensor expected = tensors.Out("a.base.trace_model_output");
    const at::Tensor text =
        at::cat({tensors.In("negative_prompt_embeds"), tensors.In("prompt_embeds")});
    const std::vector<double> timesteps = golden.json.at("timesteps").at("a");
    LatteRun run(
        model, text, timesteps, golden.json.at("guidance_scale"), latents[0].unsqueeze(0).sizes());
    for (int call = 0; call < static_cast<int>(timesteps.size()); ++call) {
      const at::Tensor latent = latents[call].unsqueeze(0);
      const auto embedding = run.Embed(call, 0, latent, false);
      EXPECT_FALSE(embedding.modulated.defined());
      EXPECT_TRUE(TensorsNearRel(
          run.Head(call, 0, run.Blocks(call, 0, embedding.streams), latent), expected[call], 1e-4))
          << "call " << call;
    }
  }
  EXPECT_GT(compared, 0);
}

// r rounded to the model's dtype, as the reference computes it.
TEST(LatteSampling, RelativeChangeIsRoundedAsInTheReference) {
  int compared = 0;
  for (const GoldenCase& golden : FindGoldenCases("latte_sampling")) {
    if (!golden.json.contains("metric_dtype_cases")) continue;
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    for (const auto& item : golden.json.at("metric_dtype_cases")) {
      const std::string name = "metric." + std::to_string(item.at("case").get<int>());
      SCOPED_TRACE(name);
      ++compared;
      const at::Tensor cur = tensors.In(name + ".cur");
      const at::Tensor prev = tensors.In(name + ".prev");
      const double r = item.at("r");
      EXPECT_NEAR(
          ReferenceRelativeL1(cur, prev), r, cur.scalar_type() == at::kFloat ? 1e-6 * r : 0);
      const double wide = item.at("r_all_in_float32");
      EXPECT_NEAR(MeasureL1(cur, prev).Ratio(), wide, 1e-5 * wide);
    }
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace teacache
