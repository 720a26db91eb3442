// Open-Sora 1.2 as a system, on a tiny checkpoint in its published layout.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "datasets/base/error.h"
#include "datasets/tensors/torch_device.h"
#include "runners/generate_videos.h"
#include "runners/schedulers/rflow.h"
#include "runners/systems/open_sora_run.h"
#include "runners/systems/open_sora_sizes.h"
#include "runners/systems/system_list.h"
#include "runners/text/cleaning/caption_cleaning.h"
#include "runners/text/prompt_encoder.h"
#include "runners/vae/open_sora_vae.h"
#include "tests/support/open_sora_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const char* const kPrompt = "a red ball, rolling slowly";

class OpenSoraSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    const auto vae = FindGoldenCases("opensora_vae");
    const auto t5 = FindGoldenCases("t5");
    ASSERT_FALSE(vae.empty() || t5.empty());
    WriteOpenSoraFolder(folder_.path(), vae.front(), t5.front());
  }

  SystemOptions Options() const {
    SystemOptions options;
    options.weights = folder_.path().string();
    options.steps = 4;
    options.frames = 17;
    options.width = 64;
    options.height = 48;
    return options;
  }
  std::unique_ptr<System> Load(const SystemOptions& options) const {
    return LoadSystem("open-sora", options);
  }
  std::string File(const std::string& name) const { return folder_ / name; }
  void WriteJson(const std::string& name, const nlohmann::json& json) const {
    AtomicWriteFile(File(name), json.dump());
  }
  nlohmann::json ReadJson(const std::string& name) const {
    return nlohmann::json::parse(ReadFile(File(name)));
  }
  // Loading fails with one line that holds all of `texts`.
  void ExpectMistake(const SystemOptions& options, const std::vector<std::string>& texts) const {
    try {
      Load(options);
      ADD_FAILURE() << "must not load: " << ::testing::PrintToString(texts);
    } catch (const UserError& error) {
      for (const std::string& text : texts) EXPECT_THAT(error.what(), HasSubstr(text));
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }

  TempDir folder_;
};

TEST_F(OpenSoraSystemTest, DefaultsAreThoseOfTheReference) {
  SystemOptions options;
  options.weights = folder_.path().string();
  const auto system = Load(options);
  const SystemInfo& info = system->info();
  EXPECT_EQ(info.name, "open-sora");
  EXPECT_EQ(info.steps, 30);
  EXPECT_EQ(info.calls, 30);
  EXPECT_EQ(info.guidance, 7);
  EXPECT_EQ(info.frames, 51);
  EXPECT_EQ(info.height, 480);
  EXPECT_EQ(info.width, 848) << "854 pixels are 106 places of the latent";
  EXPECT_EQ(info.fps, 24);
  EXPECT_EQ(system->Noise(0).sizes(), (at::IntArrayRef{1, 4, 15, 60, 106}));
  EXPECT_TRUE(at::equal(system->Noise(3), Load(options)->Noise(3)));
  EXPECT_FALSE(at::equal(system->Noise(3), system->Noise(4)));
  EXPECT_EQ(system->PublishedCoefficients()->coefficients().front(), 217.546007);
  EXPECT_EQ(system->Plan().size(), 3u);
}

TEST_F(OpenSoraSystemTest, SizesOfTheTable) {
  SystemOptions options;
  options.weights = folder_.path().string();
  options.resolution = "720p";
  options.aspect_ratio = "1:1";
  options.frames = 102;
  EXPECT_EQ(Load(options)->Noise(0).sizes(), (at::IntArrayRef{1, 4, 30, 120, 120}));
  options.resolution = "144p";
  options.aspect_ratio = "27:50";
  options.frames = 1;
  EXPECT_EQ(Load(options)->Noise(0).sizes(), (at::IntArrayRef{1, 4, 1, 17, 32}));
  EXPECT_EQ(Load(options)->info().height, 136);
}

// The parts wired by hand, with every number that the model gets written out.
TEST_F(OpenSoraSystemTest, WiresThePartsAsTheReference) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    SCOPED_TRACE(DtypeName(dtype));
    SystemOptions options = Options();
    options.dtype = DtypeName(dtype);
    options.width = 854;
    options.steps = 2;
    const auto system = Load(options);
    const auto policy = MakeNoCachePolicy();
    const GeneratedVideo made = GenerateVideo(*system, *policy, kPrompt, 5);

    const at::NoGradGuard no_grad;
    const nlohmann::json config = ReadJson("OpenSora-STDiT-v3/config.json");
    CheckpointParameters source(
        LoadTensors(File("OpenSora-STDiT-v3/model.safetensors")), "transformer", dtype);
    const StDiT3 model(&source, StDiT3Config::FromJson({config, "config"}));
    PromptEncoder encoder(
        File("t5-v1_1-xxl"), File("t5-v1_1-xxl"), {300, false, {}}, dtype, at::kCPU);
    const at::Tensor rows =
        encoder.Encode(std::string(kPrompt) + " aesthetic score: 6.5.").cond.to(dtype);
    const at::Tensor text = at::zeros({300, rows.size(1)}, dtype);
    text.narrow(0, 0, rows.size(0)).copy_(rows);
    const at::Tensor mask = (at::arange(300) < rows.size(0)).to(at::kLong);
    const std::vector<int64_t> shape = {1, 4, 5, 6, 106};
    const double width = dtype == at::kFloat ? 854 : 856;  // bfloat16 has no 854
    const auto condition = model.Prepare(at::stack({text, model.null_text()}).unsqueeze(1),
                                         mask,
                                         at::full({1}, 24, dtype),
                                         48,
                                         width,
                                         shape);
    RflowOptions rflow;
    rflow.steps = 2;
    rflow.shift = RflowOptions::Shift{48, 854, 17, dtype};
    OpenSoraRun run(model, condition, RflowTimesteps(rflow), 7);
    const auto scheduler = MakeRflowScheduler(rflow);
    const at::Tensor noise =
        at::randn(shape, at::detail::createCPUGenerator(5), at::kFloat).to(dtype);
    const SampleResult expected = Sample(&run, scheduler.get(), *policy, noise);
    EXPECT_TRUE(at::equal(made.sample.latent, expected.latent));

    CheckpointParameters vae_source(
        LoadTensors(File("OpenSora-VAE-v1.2/model.safetensors")), "vae", dtype);
    PrepareDecoderParameters(&vae_source);
    const nlohmann::json vae_config = ReadJson("OpenSora-VAE-v1.2/config.json");
    const OpenSoraVae vae(&vae_source, OpenSoraVaeConfig::FromJson({vae_config, "config"}));
    const at::Tensor bytes =
        FramesToBytes(vae.Decode(expected.latent, 17), FrameRounding::kNearest);
    ASSERT_EQ(made.video.frames.size(), 17u);
    EXPECT_EQ(made.video.fps, 24);
    for (size_t i = 0; i < 17; ++i) {
      const Frame& frame = made.video.frames[i];
      EXPECT_EQ(frame.width, 848);
      EXPECT_EQ(frame.height, 48);
      EXPECT_EQ(std::memcmp(frame.rgb.data(),
                            bytes[static_cast<int64_t>(i)].data_ptr<uint8_t>(),
                            frame.rgb.size()),
                0)
          << "frame " << i;
    }
  }
}

TEST_F(OpenSoraSystemTest, CachedAndUncached) {
  const auto system = Load(Options());
  const auto run = [&](const CachePolicy& policy, TeaCacheMode mode = TeaCacheMode::kStrict) {
    SampleOptions options;
    options.teacache_mode = mode;
    return GenerateVideo(*system, policy, kPrompt, 0, options);
  };
  const Polynomial identity({0, 0, 0, 1, 0});
  const GeneratedVideo base = run(*MakeNoCachePolicy());
  EXPECT_EQ(base.sample.ComputedCount(), 4);
  const GeneratedVideo never = run(*MakeTeaCachePolicy({0, identity}));
  EXPECT_TRUE(at::equal(never.sample.latent, base.sample.latent));
  const GeneratedVideo cached = run(*MakeTeaCachePolicy({1e9, identity}));
  EXPECT_EQ(cached.sample.Computed(), (std::vector<bool>{true, false, false, true}));
  EXPECT_FALSE(at::equal(cached.sample.latent, base.sample.latent));
  EXPECT_EQ(cached.video.frames.size(), 17u);
}

// The reference forces the last call only where its timestep is whole (models.md, and the golden
// table): never in float32.
TEST_F(OpenSoraSystemTest, ReferenceModeMayLeaveTheLastCallFree) {
  const auto system = Load(Options());
  SampleOptions options;
  options.teacache_mode = TeaCacheMode::kReference;
  const auto policy = MakeTeaCachePolicy({1e9, Polynomial({0, 0, 0, 1, 0})});
  EXPECT_EQ(GenerateVideo(*system, *policy, kPrompt, 0, options).sample.Computed(),
            (std::vector<bool>{true, false, false, false}));
}

TEST_F(OpenSoraSystemTest, OtherStepsAreThoseOfAnotherLoad) {
  SystemOptions options = Options();
  const auto system = Load(options);
  const auto policy = MakeNoCachePolicy();
  options.steps = 3;
  const auto other = system->WithSteps(3);
  EXPECT_EQ(other->info().calls, 3);
  EXPECT_TRUE(at::equal(GenerateVideo(*other, *policy, kPrompt, 0).sample.latent,
                        GenerateVideo(*Load(options), *policy, kPrompt, 0).sample.latent));
  EXPECT_EQ(GenerateVideo(*system, *policy, kPrompt, 0).sample.calls.size(), 4u);
  EXPECT_THROW(system->WithSteps(0), UserError);
}

TEST_F(OpenSoraSystemTest, OneFrameIsAnImage) {
  SystemOptions options = Options();
  options.frames = 1;
  const auto system = Load(options);
  EXPECT_EQ(system->Noise(0).size(2), 1);
  EXPECT_EQ(GenerateVideo(*system, *MakeNoCachePolicy(), kPrompt, 0).video.frames.size(), 1u);
}

TEST_F(OpenSoraSystemTest, WithoutGuidanceOnlyTheConditionIsComputed) {
  SystemOptions options = Options();
  options.guidance = 1;
  const auto system = Load(options);
  const auto run = system->Begin(kPrompt);
  EXPECT_EQ(run->Embed(0, 0, system->Noise(0), false).streams[0].size(0), 1);
  EXPECT_FALSE(run->Embed(0, 0, system->Noise(0), false).modulated.defined());
  EXPECT_EQ(Load(Options())->Begin(kPrompt)->Embed(0, 0, system->Noise(0), true).streams[0].size(0),
            2);
}

TEST_F(OpenSoraSystemTest, OffloadGivesTheSameVideo) {
  SystemOptions options = Options();
  const GeneratedVideo here = GenerateVideo(*Load(options), *MakeNoCachePolicy(), kPrompt, 0);
  options.offload = true;
  const GeneratedVideo there = GenerateVideo(*Load(options), *MakeNoCachePolicy(), kPrompt, 0);
  EXPECT_TRUE(at::equal(here.sample.latent, there.sample.latent));
  EXPECT_EQ(here.video.frames[0].rgb, there.video.frames[0].rgb);
}

TEST_F(OpenSoraSystemTest, WrongArguments) {
  const auto with = [&](auto change) {
    SystemOptions options = Options();
    change(options);
    return options;
  };
  ExpectMistake(with([](auto& o) { o.weights = ""; }), {"--weights"});
  ExpectMistake(with([](auto& o) { o.frames = 16; }), {"--frames", "1 or at least 17", "16"});
  ExpectMistake(with([](auto& o) { o.frames = -3; }), {"--frames", "-3"});
  ExpectMistake(with([](auto& o) { o.width = 0; }), {"both --width and --height"});
  ExpectMistake(with([](auto& o) { o.resolution = "480p"; }), {"both --width and --height"});
  ExpectMistake(with([](auto& o) { o.width = 4; }), {"at least 8 pixels", "4x48"});
  ExpectMistake(with([](auto& o) { o.width = -64; }), {"at least 8 pixels"});
  ExpectMistake(with([](auto& o) { o.steps = -1; }), {"steps must be at least 1"});
  ExpectMistake(with([](auto& o) { o.guidance = NAN; }), {"--guidance", "finite"});
  ExpectMistake(with([](auto& o) { o.dtype = "int8"; }), {"--dtype", "int8"});
  const auto named = [&](const std::string& resolution, const std::string& ratio) {
    return with([&](auto& o) {
      o.width = o.height = 0;
      o.resolution = resolution;
      o.aspect_ratio = ratio;
    });
  };
  ExpectMistake(named("481p", ""), {"--resolution", "144p, 240p, 360p, 480p, 720p", "481p"});
  ExpectMistake(named("480p", "7:16"), {"--aspect-ratio", "9:16", "7:16"});
}

TEST_F(OpenSoraSystemTest, WrongFolders) {
  SystemOptions options = Options();
  const std::string transformer = File("OpenSora-STDiT-v3");
  options.weights = transformer;  // a part instead of the whole
  ExpectMistake(options, {transformer, "OpenSora-STDiT-v3 or transformer"});
  options.weights = File("nowhere");
  ExpectMistake(options, {File("nowhere")});
  options = Options();
  options.vae = transformer;
  ExpectMistake(options, {transformer, "model_type", "VideoAutoencoderPipeline", "STDiT3"});
  options = Options();
  options.transformer = File("OpenSora-VAE-v1.2");
  ExpectMistake(options, {File("OpenSora-VAE-v1.2"), "STDiT3"});
  options = Options();
  options.text_encoder = transformer;
  ExpectMistake(options, {transformer});
  fs::remove_all(File("t5-v1_1-xxl"));
  ExpectMistake(Options(), {"text encoder"});
}

// Weights of another model under the right names of files.
TEST_F(OpenSoraSystemTest, WrongWeights) {
  const std::string path = File("OpenSora-STDiT-v3/model.safetensors");
  fs::remove(path);
  fs::copy_file(File("OpenSora-VAE-v1.2/model.safetensors"), path);
  ExpectMistake(
      Options(),
      {path, "89 missing: ", "x_embedder.proj.{bias,weight}", "unexpected: ", "{scale,shift}"});
  fs::remove(path);
  nlohmann::json other = TinyStDiT3Config(32);
  other["hidden_size"] = 64;
  SaveTensors(path, RandomStDiT3(other, 1));
  ExpectMistake(Options(), {path, "misshaped", "t_block.1.bias must be [192] but is [384]"});
}

TEST_F(OpenSoraSystemTest, DamagedWeights) {
  const std::string path = File("OpenSora-VAE-v1.2/model.safetensors");
  const std::string bytes = ReadFile(path);
  for (const size_t size : {size_t{0}, size_t{5}, size_t{200}, bytes.size() - 1}) {
    AtomicWriteFile(path, std::string_view(bytes).substr(0, size));
    ExpectMistake(Options(), {path});
  }
  std::string unknown = bytes;
  unknown.replace(unknown.find("\"F32\""), 5, "\"X99\"");
  AtomicWriteFile(path, unknown);
  ExpectMistake(Options(), {path, "X99"});
  fs::remove(path);
  ExpectMistake(Options(), {File("OpenSora-VAE-v1.2")});
  // Two shards, of which one is not there.
  TensorMap first = {{"scale", at::ones({1, 4, 1, 1, 1})}};
  SaveTensors(File("OpenSora-VAE-v1.2/model-00001-of-00002.safetensors"), first);
  WriteJson("OpenSora-VAE-v1.2/model.safetensors.index.json",
            {{"metadata", {{"total_size", 32}}},
             {"weight_map",
              {{"scale", "model-00001-of-00002.safetensors"},
               {"shift", "model-00002-of-00002.safetensors"}}}});
  ExpectMistake(Options(), {"model-00002-of-00002.safetensors"});
}

TEST_F(OpenSoraSystemTest, WrongConfigs) {
  const auto with = [&](const std::string& file, auto change, const std::string& text) {
    SCOPED_TRACE(text);
    const nlohmann::json before = ReadJson(file);
    nlohmann::json config = before;
    change(config);
    WriteJson(file, config);
    ExpectMistake(Options(), {File(file), text});
    WriteJson(file, before);
  };
  const std::string transformer = "OpenSora-STDiT-v3/config.json";
  with(
      transformer, [](auto& c) { c["depth"] = 0; }, "\"depth\" must be at least 1");
  with(
      transformer, [](auto& c) { c["depth"] = "two"; }, "\"depth\" must be an integer");
  with(
      transformer, [](auto& c) { c["num_heads"] = 5; }, "an even number of channels");
  with(
      transformer,
      [](auto& c) {
        c["patch_size"] = {1, 2};
      },
      "\"patch_size\"");
  with(
      transformer, [](auto& c) { c["qk_norm"] = false; }, "\"qk_norm\" must be true");
  with(
      transformer, [](auto& c) { c["in_channels"] = 8; }, "\"in_channels\" must be 4");
  with(
      transformer,
      [](auto& c) { c["model_max_length"] = 120; },
      "\"model_max_length\" must be 300");
  const std::string vae = "OpenSora-VAE-v1.2/config.json";
  with(
      vae, [](auto& c) { c["micro_frame_size"] = 0; }, "\"micro_frame_size\"");
  with(
      vae, [](auto& c) { c["vae_2d"]["norm_num_groups"] = 3; }, "multiples of the norms' 3 groups");
  with(
      vae, [](auto& c) { c["vae_2d"]["act_fn"] = "relu"; }, "\"act_fn\" must be silu but is relu");
  with(
      vae, [](auto& c) { c["vae_temporal"]["temporal_downsample"] = {true}; }, "one entry fewer");
  with(
      vae, [](auto& c) { c["vae_temporal"]["type"] = "Other"; }, "VAE_Temporal_SD");
  AtomicWriteFile(File(vae), "{");
  ExpectMistake(Options(), {File(vae), "JSON"});
}

}  // namespace
}  // namespace teacache
