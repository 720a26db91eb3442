// Rectified flow and TeaCache's decisions against the reference loop of Open-Sora 1.2 (golden kinds
// "opensora_sampling" and "opensora_timesteps").

#include <gtest/gtest.h>

#include "calib/rules/cache_policy.h"
#include "runners/sampling/sampler.h"
#include "runners/schedulers/rflow.h"
#include "runners/systems/open_sora_run.h"
#include "runners/systems/open_sora_sizes.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/matchers.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

RflowOptions ShiftedOptions(
    int steps, double height, double width, double frames, at::ScalarType dtype) {
  RflowOptions options;
  options.steps = steps;
  options.shift = RflowOptions::Shift{height, width, frames, dtype};
  return options;
}

// What the model gets as timestep, the whole numbers it is compared with, and whether the last call
// is forced.
void CompareAsTold(const std::vector<float>& timesteps, const nlohmann::json& expected) {
  const std::vector<double> bf16 = TimestepsAsTold(timesteps, at::kBFloat16);
  const std::vector<double> fp32 = TimestepsAsTold(timesteps, at::kFloat);
  EXPECT_EQ(bf16, expected.at("t_bf16").get<std::vector<double>>());
  for (size_t i = 0; i < timesteps.size(); ++i) {
    EXPECT_TRUE(IsWholePartOf(expected.at("all_timesteps_int")[i], bf16[i])) << i;
    EXPECT_TRUE(IsWholePartOf(expected.at("all_timesteps_int_if_fp32_model")[i], fp32[i])) << i;
  }
  EXPECT_EQ(IsWholePartOf(bf16.back(), bf16.back()), expected.at("last_step_forced_bf16"));
  EXPECT_EQ(IsWholePartOf(fp32.back(), fp32.back()), expected.at("last_step_forced_fp32_model"));
}

TEST(RflowTimesteps, MatchReferenceTables) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_timesteps")) {
    SCOPED_TRACE(golden.file.string());
    for (const auto& [size, entry] : golden.json.at("table").items()) {
      for (const auto& [key, dtype] :
           {std::pair{"bf16_args", at::kBFloat16}, std::pair{"fp32_args", at::kFloat}}) {
        const auto& expected = entry.at(key);
        SCOPED_TRACE(size + " " + key);
        const std::vector<double> t = expected.at("t_fp32");
        const std::vector<float> actual = RflowTimesteps(ShiftedOptions(static_cast<int>(t.size()),
                                                                        expected.at("height"),
                                                                        expected.at("width"),
                                                                        entry.at("num_frames"),
                                                                        dtype));
        EXPECT_TRUE(Near(actual, t, 1e-6, 0));
        CompareAsTold(actual, expected);
      }
    }
  }
}

TEST(OpenSoraSizes, MatchReferenceTable) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_timesteps")) {
    SCOPED_TRACE(golden.file.string());
    for (const auto& [size, entry] : golden.json.at("table").items()) {
      SCOPED_TRACE(size);  // "480p_9x16_51f"
      const size_t first = size.find('_'), x = size.find('x'), second = size.rfind('_');
      const std::string ratio =
          size.substr(first + 1, x - first - 1) + ":" + size.substr(x + 1, second - x - 1);
      const OpenSoraSize pixels = FindOpenSoraSize(size.substr(0, first), ratio);
      EXPECT_EQ(pixels.height, entry.at("height"));
      EXPECT_EQ(pixels.width, entry.at("width"));
    }
  }
}

struct GoldenRun {
  std::string name;  // "480p.fp32.teacache_0.1"
  std::string size;  // "480p"
  at::ScalarType dtype = at::kFloat;
  nlohmann::json json;
};
std::vector<GoldenRun> RunsOf(const GoldenCase& golden) {
  std::vector<GoldenRun> runs;
  for (const auto& [name, json] : golden.json.at("runs").items()) {
    const size_t dot = name.find('.');
    const std::string rest = name.substr(dot + 1);
    runs.push_back(
        {name, name.substr(0, dot), rest.starts_with("bf16") ? at::kBFloat16 : at::kFloat, json});
  }
  return runs;
}

std::unique_ptr<CachePolicy> PolicyOf(const nlohmann::json& run) {
  if (!run.contains("threshold") || run.at("threshold").is_null()) return MakeNoCachePolicy();
  return MakeTeaCachePolicy({run.at("threshold"), Polynomial(run.at("coefficients"))});
}

void CompareRun(const GoldenCase& golden, const GoldenTensors& tensors, const GoldenRun& run) {
  SCOPED_TRACE(run.name);
  const auto& tolerance = golden.json.at("recommended_tolerance");
  const bool exact = run.dtype == at::kFloat;
  const StDiT3 model = LoadStDiT3(tensors, golden, run.dtype);
  const auto size_in = [&](const std::string& key) {
    return tensors.In(run.size + "." + key).to(run.dtype);
  };
  const double height = size_in("height").item<double>();
  const double width = size_in("width").item<double>();
  const int steps = golden.json.at("scheduler").at("num_sampling_steps");
  const RflowOptions rflow =
      ShiftedOptions(steps, height, width, size_in("num_frames").item<double>(), run.dtype);
  const std::vector<float> timesteps = RflowTimesteps(rflow);
  EXPECT_TRUE(Near(timesteps, run.json.at("t_fp32").get<std::vector<double>>(), 1e-6, 0));

  const at::Tensor noise = tensors.In("noise").to(run.dtype);
  const at::Tensor null_text = model.null_text().unsqueeze(0).unsqueeze(0);
  const at::Tensor text = at::cat({tensors.In("y").to(run.dtype), null_text});
  const auto condition =
      model.Prepare(text, tensors.In("mask"), size_in("fps"), height, width, noise.sizes());
  OpenSoraRun denoising(model, condition, timesteps, golden.json.at("scheduler").at("cfg_scale"));
  const auto scheduler = MakeRflowScheduler(rflow);
  SampleOptions options;
  options.teacache_mode = TeaCacheMode::kReference;
  options.keep_latents = true;
  const auto policy = PolicyOf(run.json);
  const SampleResult result = Sample(&denoising, scheduler.get(), *policy, noise, options);

  const double latent_tolerance =
      tolerance.at(exact ? "fp32_final_rel_to_max" : "bf16_final_rel_to_max");
  EXPECT_TRUE(TensorsNearRel(result.latent, tensors.Out(run.name + ".final"), latent_tolerance));
  EXPECT_EQ(result.latent.scalar_type(), at::kFloat) << "latents are float32 after the first step";
  if (exact) {
    EXPECT_TRUE(TensorsNearRel(
        at::cat(result.latents), tensors.Out(run.name + ".latents"), latent_tolerance));
  }
  if (policy->signal() == PolicySignal::kNone) return;
  const double margin = run.json.at("smallest_relative_margin");
  if (exact || margin > 0.05) {
    EXPECT_EQ(result.Computed(), run.json.at("computed").get<std::vector<bool>>());
  }
  const double r_tolerance = tolerance.at(exact ? "fp32_r_relative" : "bf16_r_relative");
  const std::vector<bool> forced = run.json.at("forced");
  for (size_t i = 0; i < result.calls.size(); ++i) {
    const CallRecord& record = result.calls[i];
    EXPECT_EQ(record.decision.forced, forced[i]) << "call " << i;
    if (forced[i]) continue;
    const double r = run.json.at("r")[i];
    EXPECT_NEAR(record.r, r, r_tolerance * r) << "call " << i;
    if (!exact) continue;
    const double accumulated = run.json.at("accumulated_before_decision")[i];
    EXPECT_NEAR(record.decision.accumulated, accumulated, 2e-4 * std::abs(accumulated) + 1e-7);
  }
}

TEST(OpenSoraSampling, MatchesReferenceRuns) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_sampling")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    for (const GoldenRun& run : RunsOf(golden)) CompareRun(golden, tensors, run);
  }
}

}  // namespace
}  // namespace teacache
