// Samplers, decoders, the text encoder and whole systems on a CUDA device against the golden
// answers, in every dtype, from tiny weights. Without a GPU it runs on the devices of
// tests/support/fake_cuda.h.
//
// In float32 the golden files' decisions and tolerances hold, with room for sums in another order.
// In half precision nothing is exact: results stay within a share of the largest value that is a
// few times what the reference's own half-precision runs show, and no decisions are compared.

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "datasets/tensors/torch_device.h"
#include "runners/sampling/sampler.h"
#include "runners/schedulers/ddim.h"
#include "runners/schedulers/pndm.h"
#include "runners/schedulers/rflow.h"
#include "runners/systems/latte_run.h"
#include "runners/systems/open_sora_run.h"
#include "runners/systems/system_list.h"
#include "runners/text/prompts_file.h"
#include "runners/text/t5_encoder.h"
#include "runners/vae/autoencoder_kl.h"
#include "runners/vae/causal_vae.h"
#include "runners/vae/open_sora_vae.h"
#include "runners/vae/temporal_decoder.h"
#include "tests/gpu/device_memory.h"
#include "tests/runners/models/golden_latte.h"
#include "tests/support/open_sora_folder.h"
#include "tests/support/paths.h"
#include "tests/support/published_folders.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const at::Device kDevice(at::kCUDA, 0);

// The share of the largest value by which a result may differ.
double Tolerance(at::ScalarType dtype, double in_float32, double in_bfloat16) {
  if (dtype == at::kFloat) return in_float32;
  return dtype == at::kBFloat16 ? in_bfloat16 : in_bfloat16 / 4;  // 8 bits against 11
}

std::unique_ptr<CachePolicy> PolicyOf(const nlohmann::json& run) {
  if (!run.contains("threshold") || run.at("threshold").is_null()) return MakeNoCachePolicy();
  return MakeTeaCachePolicy({run.at("threshold"), Polynomial(run.at("coefficients"))});
}

class OnDevice : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "needs a GPU, and a build with CUDA";
    UseExactFloat32();
  }
  static at::ScalarType dtype() { return GetParam(); }
  static bool exact() { return GetParam() == at::kFloat; }
  // The largest share of the largest value seen, for the report.
  void ExpectNear(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
    EXPECT_EQ(actual.device(), kDevice);
    EXPECT_TRUE(TensorsNearRel(actual, expected, tolerance));
    const at::Tensor wide = expected.to(at::kDouble);
    const double share =
        ((actual.cpu().to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
    largest_ = std::max(largest_, share);
  }
  void TearDown() override {
    if (largest_ > 0) RecordProperty("largest_difference", std::to_string(largest_));
  }

 private:
  double largest_ = 0;
};

// ---------------------------------------------------------------------------- samplers

std::unique_ptr<Scheduler> LatteScheduler(const GoldenCase& golden, int steps) {
  const NoiseSchedule schedule =
      ParseNoiseSchedule(golden.json.at("scheduler_config"), golden.name);
  return golden.json.at("scheduler_class") == "DDIMScheduler"
             ? MakeDdimScheduler({schedule, steps})
             : MakePndmScheduler({schedule, steps});
}

class Samplers : public OnDevice {};

TEST_P(Samplers, LatteAndOpenSoraPlan) {
  for (const char* kind : {"latte_sampling", "osp_sampling"}) {
    for (const GoldenCase& golden : FindGoldenCases(kind)) {
      SCOPED_TRACE(golden.file.string());
      const GoldenTensors tensors(golden);
      const LatteT2V model = LoadLatteT2V(tensors, golden, dtype(), kDevice);
      const at::Tensor text =
          at::cat({tensors.In("negative_prompt_embeds"), tensors.In("prompt_embeds")})
              .to(kDevice, dtype());
      const at::Tensor noise = tensors.In("latents").to(kDevice, dtype());
      for (const auto& [name, run] : golden.json.at("runs").items()) {
        if (!name.starts_with("a.") || (!exact() && name != "a.base")) continue;
        SCOPED_TRACE(name);
        const auto scheduler = LatteScheduler(golden, run.at("num_inference_steps"));
        LatteRun denoising(
            model, text, scheduler->Timesteps(), golden.json.at("guidance_scale"), noise.sizes());
        SampleOptions options;
        options.teacache_mode = TeaCacheMode::kReference;
        const SampleResult result =
            Sample(&denoising, scheduler.get(), *PolicyOf(run), noise, options);
        ExpectNear(result.latent, tensors.Out(name + ".latents"), Tolerance(dtype(), 2e-4, 0.1));
        if (!exact()) continue;
        std::vector<bool> computed;
        for (const auto& step : run.at("steps")) computed.push_back(step.at("computed"));
        EXPECT_EQ(result.Computed(), computed);
      }
    }
  }
}

TEST_P(Samplers, OpenSora) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_sampling")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const StDiT3 model = LoadStDiT3(tensors, golden, dtype(), kDevice);
    const auto& scheduler_json = golden.json.at("scheduler");
    for (const auto& [name, run] : golden.json.at("runs").items()) {
      // The reference has runs in float32 and bfloat16; float16 is held against float32.
      const std::string prefix = dtype() == at::kBFloat16 ? "480p.bf16." : "480p.fp32.";
      if (!name.starts_with(prefix) || (!exact() && name != prefix + "baseline")) continue;
      SCOPED_TRACE(name);
      const auto size_in = [&](const std::string& key) {
        return tensors.In("480p." + key).to(dtype());
      };
      const double height = size_in("height").item<double>();
      const double width = size_in("width").item<double>();
      RflowOptions rflow;
      rflow.steps = scheduler_json.at("num_sampling_steps");
      rflow.shift =
          RflowOptions::Shift{height, width, size_in("num_frames").item<double>(), dtype()};
      const at::Tensor noise = tensors.In("noise").to(kDevice, dtype());
      const at::Tensor null_text = model.null_text().unsqueeze(0).unsqueeze(0);
      const at::Tensor text = at::cat({tensors.In("y").to(kDevice, dtype()), null_text});
      const auto condition = model.Prepare(text,
                                           tensors.In("mask").to(kDevice),
                                           size_in("fps").to(kDevice),
                                           height,
                                           width,
                                           noise.sizes());
      OpenSoraRun denoising(
          model, condition, RflowTimesteps(rflow), scheduler_json.at("cfg_scale"));
      SampleOptions options;
      options.teacache_mode = TeaCacheMode::kReference;
      const auto scheduler = MakeRflowScheduler(rflow);
      const SampleResult result =
          Sample(&denoising, scheduler.get(), *PolicyOf(run), noise, options);
      ExpectNear(result.latent, tensors.Out(name + ".final"), Tolerance(dtype(), 2e-4, 0.05));
      if (exact() && PolicyOf(run)->signal() != PolicySignal::kNone) {
        EXPECT_EQ(result.Computed(), run.at("computed").get<std::vector<bool>>());
      }
    }
  }
}

// ---------------------------------------------------------------------------- other parts

class Parts : public OnDevice {
 protected:
  template <typename Decoder, typename Config, typename... Arguments>
  void CheckDecoder(const char* kind,
                    const Config& config_of,
                    const char* output,
                    const Arguments&... arguments) {
    for (const GoldenCase& golden : FindGoldenCases(kind)) {
      SCOPED_TRACE(golden.file.string());
      const GoldenTensors tensors(golden);
      CheckpointParameters source(tensors.Weights(), golden.name, dtype(), kDevice);
      PrepareDecoderParameters(&source);
      const Decoder decoder(&source, config_of(golden), arguments(golden)...);
      source.Finish();
      const at::Tensor expected = tensors.Out(output);
      const at::Tensor frames = expected.dim() == 5 ? expected[0] : expected;
      ExpectNear(decoder.Decode(tensors.In("latents").to(kDevice, dtype()), frames.size(0)),
                 frames,
                 Tolerance(dtype(), 1e-4, 0.1));
    }
  }
};

JsonFields ConfigOf(const GoldenCase& golden) {
  return JsonFields(golden.json.at("config"), golden.name);
}

TEST_P(Parts, PictureDecoder) {
  CheckDecoder<AutoencoderKl>(
      "vae_kl2d",
      [](const GoldenCase& golden) { return AutoencoderKlConfig::FromJson(ConfigOf(golden)); },
      "decoded");
}

TEST_P(Parts, TemporalDecoder) {
  CheckDecoder<TemporalDecoder>(
      "vae_temporal",
      [](const GoldenCase& golden) { return TemporalDecoderConfig::FromJson(ConfigOf(golden)); },
      "decoded");
}

TEST_P(Parts, CausalDecoder) {
  CheckDecoder<CausalVae>(
      "vae_osp",
      [](const GoldenCase& golden) { return CausalVaeConfig::FromJson(ConfigOf(golden)); },
      "decoded_tiled",
      [](const GoldenCase& golden) {
        const auto& tile = golden.json.at("tile");
        CausalVaeTiling tiling;
        tile.at("tile_overlap_factor").get_to(tiling.overlap_factor);
        tile.at("tile_latent_min_size").get_to(tiling.latent_size);
        tile.at("tile_sample_min_size").get_to(tiling.sample_size);
        tile.at("tile_latent_min_size_t").get_to(tiling.latent_frames);
        return tiling;
      });
}

TEST_P(Parts, OpenSoraDecoder) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_vae")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    CheckpointParameters source(tensors.Weights(), golden.name, dtype(), kDevice);
    PrepareDecoderParameters(&source);
    const nlohmann::json config = TinyOpenSoraVaeConfig(golden);
    const OpenSoraVae vae(&source, OpenSoraVaeConfig::FromJson(JsonFields(config, golden.name)));
    source.Finish();
    for (const auto& [name, entry] : golden.json.at("cases").items()) {
      SCOPED_TRACE(name);
      const at::Tensor latent = tensors.In(name + ".latent").to(kDevice, dtype());
      ExpectNear(vae.Decode(latent, entry.at("num_frames")),
                 tensors.Out(name + ".frames")[0].transpose(0, 1),
                 Tolerance(dtype(), 1e-4, 0.1));
    }
  }
}

TEST_P(Parts, TextEncoder) {
  for (const GoldenCase& golden : FindGoldenCases("t5")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    CheckpointParameters source(GoldenWeights(golden), golden.name, dtype(), kDevice);
    AdaptT5Source(&source);
    const T5Encoder encoder(&source, ParseT5Config(golden.json.at("config"), golden.name));
    source.Finish();
    const at::Tensor output =
        encoder(tensors.In("input_ids").to(kDevice), tensors.In("attention_mask").to(kDevice));
    ExpectNear(output, tensors.Out("last_hidden_state"), Tolerance(dtype(), 1e-4, 0.1));
  }
}

// ---------------------------------------------------------------------------- whole systems

constexpr const char* kPrompt = "a red ball, rolling slowly";

SampleResult Denoise(const System& system,
                     const std::string& prompt,
                     const CachePolicy& policy,
                     const at::Tensor& noise) {
  system.Prepare({prompt}, &NoProgress());
  const auto run = system.Begin(prompt);
  const auto scheduler = system.MakeScheduler();
  SampleOptions options;
  options.teacache_mode = TeaCacheMode::kReference;
  return Sample(run.get(), scheduler.get(), policy, noise, options);
}

// The share of values that differ by more than `step` levels of 255.
double ShareFurther(const Video& a, const Video& b, int step) {
  int64_t further = 0, all = 0;
  EXPECT_EQ(a.frames.size(), b.frames.size());
  for (size_t t = 0; t < std::min(a.frames.size(), b.frames.size()); ++t) {
    EXPECT_EQ(a.frames[t].rgb.size(), b.frames[t].rgb.size());
    for (size_t i = 0; i < a.frames[t].rgb.size(); ++i) {
      further += std::abs(int{a.frames[t].rgb[i]} - int{b.frames[t].rgb[i]}) > step ? 1 : 0;
      ++all;
    }
  }
  return static_cast<double>(further) / static_cast<double>(all);
}

class Systems : public OnDevice {
 protected:
  // A folder of tiny weights and the options for it, with prompts that were encoded before: this
  // build may have no tokenizer.
  SystemOptions Write(const std::string& name, const std::vector<PromptEmbedding>& embeddings) {
    TextRule rule;
    if (name == "latte") {
      WriteLatteFolder(folder_.path());
    } else if (name == "open-sora-plan") {
      WriteOpenSoraPlanFolder(folder_.path());
      rule.max_tokens = 300;
    } else {
      WriteOpenSoraFolder(folder_.path(), OwnGoldenCase("opensora_vae"), OwnGoldenCase("t5"));
      rule = {300, false, {}, true};
    }
    SystemOptions options;
    options.weights = folder_.path().string();
    options.device = kDevice.str();
    options.dtype = DtypeName(dtype());
    options.prompt_embeddings = folder_ / "prompts.safetensors";
    if (name == "open-sora") {
      options.aesthetic_score = -1;
      options.frames = 17;
      options.width = 64;
      options.height = 48;
      options.steps = 5;
    }
    WritePromptsFile(
        options.prompt_embeddings, {kPrompt}, embeddings, PromptsFileInfo{rule, "tiny"});
    return options;
  }

  void CheckGolden(const std::string& name, const std::string& kind) {
    const GoldenCase golden = OwnGoldenCase(kind);
    const GoldenTensors tensors(golden);
    SystemOptions options =
        Write(name, {{tensors.Out("prompt_embeds")[0], tensors.Out("negative_prompt_embeds")[0]}});
    options.steps = golden.json.at("num_inference_steps");
    options.guidance = golden.json.at("guidance_scale");
    const auto system = LoadSystem(name, options);
    for (const auto& [run_name, expected] : golden.json.at("runs").items()) {
      if (!exact() && run_name != "base") continue;
      SCOPED_TRACE(run_name);
      const SampleResult result = Denoise(
          *system, kPrompt, *PolicyOf(expected), tensors.In("latents").to(kDevice, dtype()));
      ExpectNear(result.latent, tensors.Out(run_name + ".latents"), Tolerance(dtype(), 2e-4, 0.1));
      const Video video = system->Decode(result.latent);
      EXPECT_EQ(static_cast<int>(video.frames.size()), system->info().frames);
      if (!exact()) continue;
      std::string pattern;
      for (const bool computed : result.Computed()) pattern += computed ? 'C' : 's';
      EXPECT_EQ(pattern, expected.at("pattern").get<std::string>());
      EXPECT_LT(ShareFurther(video, ToVideo(tensors.Out(run_name + ".frames_u8")[0]), 1), 0.01);
    }
  }

  static Video ToVideo(const at::Tensor& frames) {
    Video video;
    for (int64_t t = 0; t < frames.size(0); ++t) {
      const at::Tensor frame = frames[t].contiguous();
      const uint8_t* data = frame.const_data_ptr<uint8_t>();
      video.frames.push_back({static_cast<int>(frame.size(1)),
                              static_cast<int>(frame.size(0)),
                              {data, data + frame.numel()}});
    }
    return video;
  }

  TempDir folder_;
};

TEST_P(Systems, Latte) { CheckGolden("latte", "latte_e2e"); }
TEST_P(Systems, OpenSoraPlan) { CheckGolden("open-sora-plan", "osp_e2e"); }

// No golden answer from prompt to frames: held against the CPU.
TEST_P(Systems, OpenSora) {
  at::Generator generator = at::detail::createCPUGenerator(3);
  const int64_t channels = OwnGoldenCase("t5").json.at("config").at("d_model");
  SystemOptions options = Write(
      "open-sora", {{at::randn({9, channels}, generator, at::TensorOptions(at::kFloat)), {}}});
  const auto there = LoadSystem("open-sora", options);
  options.device = "cpu";
  options.dtype = "float32";
  const auto here = LoadSystem("open-sora", options);
  const auto policy = MakeNoCachePolicy();
  const SampleResult expected = Denoise(*here, kPrompt, *policy, here->Noise(3));
  const SampleResult result = Denoise(*there, kPrompt, *policy, there->Noise(3));
  ExpectNear(result.latent, expected.latent, Tolerance(dtype(), 2e-4, 0.1));
  const Video video = there->Decode(result.latent);
  if (exact()) {
    EXPECT_LT(ShareFurther(video, here->Decode(expected.latent), 1), 0.01);
  }
}

// The model that ships with the toolkit, with its own weights.
TEST_P(Systems, Shapes) {
  SystemOptions options;
  options.weights = (std::filesystem::path(SourceDir()) / "runners/weights/shapes").string();
  options.steps = 4;
  options.dtype = DtypeName(dtype());
  options.device = kDevice.str();
  const auto there = LoadSystem("shapes", options);
  options.dtype = "float32";
  options.device = "cpu";
  const auto here = LoadSystem("shapes", options);
  const std::string prompt = "a small red circle moving left slowly on black";
  const auto policy = MakeNoCachePolicy();
  const SampleResult expected = Denoise(*here, prompt, *policy, here->Noise(3));
  const SampleResult result = Denoise(*there, prompt, *policy, there->Noise(3));
  ExpectNear(result.latent, expected.latent, Tolerance(dtype(), 2e-4, 0.1));
  const Video video = there->Decode(result.latent);
  if (exact()) {
    EXPECT_LT(ShareFurther(video, here->Decode(expected.latent), 1), 0.01);
  }
}

// Four steps of the tiny Latte, with the golden embeddings of its prompt.
class LatteOnDevice : public Systems {
 protected:
  SystemOptions ShortLatte() {
    const GoldenCase golden = OwnGoldenCase("latte_e2e");
    const GoldenTensors tensors(golden);
    SystemOptions options = Write(
        "latte", {{tensors.Out("prompt_embeds")[0], tensors.Out("negative_prompt_embeds")[0]}});
    options.steps = 4;
    return options;
  }
};

class Offload : public LatteOnDevice {};

TEST_P(Offload, GivesWhatAllPartsTogetherGive) {
  SystemOptions options = ShortLatte();
  const auto policy = MakeNoCachePolicy();
  const auto together = LoadSystem("latte", options);
  const SampleResult expected = Denoise(*together, kPrompt, *policy, together->Noise(3));
  options.offload = true;
  const auto offloaded = LoadSystem("latte", options);
  for (const char* round : {"first", "after the decoder took its place"}) {
    SCOPED_TRACE(round);
    const SampleResult result = Denoise(*offloaded, kPrompt, *policy, offloaded->Noise(3));
    ExpectNear(result.latent, expected.latent.cpu(), 1e-6);
    EXPECT_EQ(ShareFurther(offloaded->Decode(result.latent), together->Decode(result.latent), 0),
              0);
  }
}

class Memory : public LatteOnDevice {};

TEST_P(Memory, ThePartThatDoesNotFitIsNamed) {
  SystemOptions options = ShortLatte();
  const auto policy = MakeNoCachePolicy();
  const auto system = LoadSystem("latte", options);
  system->Prepare({kPrompt}, &NoProgress());
  LimitDeviceMemory(int64_t{64} << 10);
  EXPECT_THAT(ErrorOf([&] { system->Begin(kPrompt); }),
              AllOf(HasSubstr("transformer"),
                    HasSubstr("ran out of the device's memory"),
                    HasSubstr("--offload"),
                    HasSubstr("--dtype")));
  UnlimitDeviceMemory();
  // Nothing is left over from the failure.
  const SampleResult result = Denoise(*system, kPrompt, *policy, system->Noise(3));
  EXPECT_TRUE(result.latent.isfinite().all().item<bool>());
}

const auto kDtypes = ::testing::Values(at::kFloat, at::kBFloat16, at::kHalf);
std::string NameOf(const ::testing::TestParamInfo<at::ScalarType>& info) {
  return DtypeName(info.param);
}
INSTANTIATE_TEST_SUITE_P(Gpu, Samplers, kDtypes, NameOf);
INSTANTIATE_TEST_SUITE_P(Gpu, Parts, kDtypes, NameOf);
INSTANTIATE_TEST_SUITE_P(Gpu, Systems, kDtypes, NameOf);
INSTANTIATE_TEST_SUITE_P(Gpu, Offload, ::testing::Values(at::kFloat, at::kHalf), NameOf);
INSTANTIATE_TEST_SUITE_P(Gpu, Memory, ::testing::Values(at::kFloat), NameOf);

}  // namespace
}  // namespace teacache
