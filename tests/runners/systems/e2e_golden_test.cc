// Prompt to frames through whole systems, loaded from folders as published, against the reference
// pipelines (golden kinds "latte_e2e" and "osp_e2e").

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "calib/rules/cache_policy.h"
#include "runners/sampling/sampler.h"
#include "runners/systems/system_list.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/published_folders.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;

// "t5 (public)": the case "t5" of the variant "public", from the case's folder or tests/golden.
GoldenCase PartOf(const GoldenCase& golden, const std::string& part) {
  const std::string from = golden.json.at("weights_from").at(part);
  const std::string name = from.substr(0, from.find(' '));
  const std::string variant = from.substr(from.find('(') + 1, from.find(')') - from.find('(') - 1);
  const fs::path file = golden.folder / (name + ".json");
  if (fs::exists(file)) {
    nlohmann::json json = nlohmann::json::parse(ReadFile(file.string()));
    if (json.at("variant") == variant) return {name, file, golden.folder, std::move(json)};
  }
  return OwnGoldenCase(name);
}

at::Tensor ToTensor(const Video& video) {
  std::vector<at::Tensor> frames;
  for (const Frame& frame : video.frames) {
    frames.push_back(at::empty({frame.height, frame.width, 3}, at::kByte));
    std::copy(frame.rgb.begin(), frame.rgb.end(), frames.back().mutable_data_ptr<uint8_t>());
  }
  return at::stack(frames);
}

std::unique_ptr<CachePolicy> PolicyOf(const nlohmann::json& run) {
  if (!run.contains("threshold")) return MakeNoCachePolicy();
  return MakeTeaCachePolicy({run.at("threshold"), Polynomial(run.at("coefficients"))});
}

// At least 99 % of the values equal, no one off by more than 1, as the files say.
void ExpectFramesEqual(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const at::Tensor distance = (actual.to(at::kInt) - expected.to(at::kInt)).abs();
  EXPECT_LE(distance.max().item<int>(), 1);
  EXPECT_LT((distance > 0).to(at::kDouble).mean().item<double>(), 0.01);
}

void CheckSystem(const GoldenCase& golden, const std::string& name, const fs::path& weights) {
  const GoldenTensors tensors(golden);
  SystemOptions options;
  options.weights = weights.string();
  options.steps = golden.json.at("num_inference_steps");
  options.guidance = golden.json.at("guidance_scale");
  options.dtype = "float32";
  const auto system = LoadSystem(name, options);
  const double tolerance = golden.json.at("tolerance").at("latents_max_rel_of_absmax");
  for (const auto& [run_name, expected] : golden.json.at("runs").items()) {
    SCOPED_TRACE(run_name);
    const auto run = system->Begin(golden.json.at("prompt"));
    const auto scheduler = system->MakeScheduler();
    SampleOptions sample_options;
    sample_options.teacache_mode = TeaCacheMode::kReference;
    const SampleResult result = Sample(
        run.get(), scheduler.get(), *PolicyOf(expected), tensors.In("latents"), sample_options);
    std::string pattern;
    for (const bool computed : result.Computed()) pattern += computed ? 'C' : 's';
    EXPECT_EQ(pattern, expected.at("pattern").get<std::string>());
    for (size_t i = 0; i < result.calls.size(); ++i) {
      EXPECT_EQ(result.calls[i].timestep, golden.json.at("timesteps").at(i)) << i;
    }
    EXPECT_TRUE(TensorsNearRel(result.latent, tensors.Out(run_name + ".latents"), tolerance));
    ExpectFramesEqual(ToTensor(system->Decode(result.latent)),
                      tensors.Out(run_name + ".frames_u8")[0]);
  }
}

TEST(Latte, PromptToFrames) {
  for (const GoldenCase& golden : FindGoldenCases("latte_e2e")) {
    SCOPED_TRACE(golden.file.string());
    const TempDir root;
    WriteLatteFolder(root.path(),
                     PartOf(golden, "text_encoder"),
                     PartOf(golden, "transformer"),
                     PartOf(golden, "vae"));
    CheckSystem(golden, "latte", root.path());
  }
}

TEST(OpenSoraPlan, PromptToFrames) {
  for (const GoldenCase& golden : FindGoldenCases("osp_e2e")) {
    SCOPED_TRACE(golden.file.string());
    const TempDir root;
    WriteOpenSoraPlanFolder(root.path(),
                            PartOf(golden, "text_encoder"),
                            PartOf(golden, "transformer"),
                            PartOf(golden, "vae"));
    CheckSystem(golden, "open-sora-plan", root.path());
  }
}

}  // namespace
}  // namespace teacache
