// What the systems of published checkpoints share, on a system whose transformer and decoder are a
// tensor each.

#include "runners/systems/checkpoint_system.h"

#include <ATen/Functions.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "calib/rules/cache_policy.h"
#include "runners/generate_videos.h"
#include "runners/nn/out_of_memory.h"
#include "runners/plan.h"
#include "runners/text/prompts_file.h"
#include "tests/runners/sampling/fake_run.h"
#include "tests/support/checkpoint_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_matchers.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kCalls = 3;
const nlohmann::json kNoConfig = nlohmann::json::object();

// Parts that are on the device now, and how often one was loaded.
int live_transformers = 0;
int live_decoders = 0;
int loads = 0;

class TinyTransformer : public TransformerPart {
 public:
  explicit TinyTransformer(CheckpointParameters* source) : weight_(source->Get("w", {1})) {
    loads += !weight_.is_meta();
    live_transformers += !weight_.is_meta();
  }
  ~TinyTransformer() override { live_transformers -= !weight_.is_meta(); }
  std::unique_ptr<DenoisingRun> Begin(const PromptEmbedding& text,
                                      const std::vector<double>& timesteps) const override {
    const float residual = text.cond.to(at::kFloat).mean().item<float>() * weight_.item<float>();
    const FakeBranch branch{"batched",
                            std::vector<float>(timesteps.size(), 1),
                            std::vector<float>(timesteps.size(), residual)};
    return std::make_unique<FakeRun>(std::vector<FakeBranch>{branch});
  }

 private:
  at::Tensor weight_;
};

class TinyDecoder : public DecoderPart {
 public:
  explicit TinyDecoder(CheckpointParameters* source) : weight_(source->Get("d", {2})) {
    source->IgnorePrefix("encoder.");
    live_decoders += !weight_.is_meta();
  }
  ~TinyDecoder() override { live_decoders -= !weight_.is_meta(); }
  Video Decode(const at::Tensor& latent) const override {
    Video video;
    video.frames.push_back({16, 16, std::vector<uint8_t>(16 * 16 * 3, 7)});
    if (latent.numel() != 1) throw std::logic_error("latent");
    return video;
  }

 private:
  at::Tensor weight_;
};

class TinySystem final : public CheckpointSystem {
 public:
  explicit TinySystem(const SystemOptions& options)
      : CheckpointSystem(options, {}, TextRule{20, true, {}}, at::kBFloat16) {
    info_.name = "tiny";
    info_.fps = 8;
    SetSteps(kCalls);
  }
  std::unique_ptr<Scheduler> MakeScheduler() const override {
    return std::make_unique<FakeScheduler>(info_.calls);
  }

 protected:
  std::unique_ptr<CheckpointSystem> Copy() const override {
    return std::make_unique<TinySystem>(*this);
  }
  void SetSteps(int steps) final { info_.steps = info_.calls = steps; }
  std::vector<int64_t> LatentShape() const override { return {1}; }
  std::unique_ptr<TransformerPart> MakeTransformer(CheckpointParameters* source) const override {
    return std::make_unique<TinyTransformer>(source);
  }
  std::unique_ptr<DecoderPart> MakeDecoder(CheckpointParameters* source) const override {
    return std::make_unique<TinyDecoder>(source);
  }
  int64_t TextChannels() const override { return 32; }
};

class Warnings : public ProgressSink {
 public:
  void Report(const Progress&) override {}
  void Warn(std::string_view message) override { messages.emplace_back(message); }
  std::vector<std::string> messages;
};

class CheckpointSystemTest : public ::testing::Test {
 protected:
  CheckpointSystemTest() {
    const GoldenCase t5 = FindGoldenCases("t5").front();
    WriteTextEncoder(root_.path(), t5);
    WriteComponent(root_.path() / "transformer", {{"a", 1}}, {{"w", at::ones({1})}});
    WriteComponent(
        root_.path() / "vae", kNoConfig, {{"d", at::ones({2})}, {"encoder.x", at::ones({100})}});
    options_.weights = root_.path().string();
    loads = 0;
  }
  std::unique_ptr<System> Load() const { return MakeCheckpointSystem<TinySystem>(options_); }

  TempDir root_;
  SystemOptions options_;
};

TEST_F(CheckpointSystemTest, PromptToVideo) {
  const auto system = Load();
  EXPECT_EQ(system->info().dtype, "float32") << "the default on the CPU";
  EXPECT_EQ(system->info().parameters, 1);
  EXPECT_EQ(loads, 0) << "nothing is loaded before it is needed";
  const GeneratedVideo made = GenerateVideo(*system, *MakeNoCachePolicy(), "a cat", 3);
  EXPECT_EQ(made.video.frames.size(), 1u);
  EXPECT_THAT(made.branches, ElementsAre("batched"));
  GenerateVideo(*system, *MakeNoCachePolicy(), "a dog", 3);
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(live_transformers, 1);
  EXPECT_EQ(live_decoders, 1);
}

// Baselines of a sweep have fewer steps; that must not load billions of parameters again.
TEST_F(CheckpointSystemTest, OtherStepsShareWhatIsLoaded) {
  auto system = Load();
  const auto quick = system->WithSteps(2);
  EXPECT_EQ(quick->info().calls, 2);
  EXPECT_EQ(system->info().calls, kCalls);
  EXPECT_EQ(GenerateVideo(*quick, *MakeNoCachePolicy(), "a cat", 3).sample.calls.size(), 2u);
  EXPECT_EQ(GenerateVideo(*system, *MakeNoCachePolicy(), "a cat", 3).sample.calls.size(), 3u);
  EXPECT_EQ(loads, 1);
  system.reset();  // the other one keeps the parts
  GenerateVideo(*quick, *MakeNoCachePolicy(), "a dog", 3);
  EXPECT_EQ(loads, 1);
}

TEST_F(CheckpointSystemTest, NoiseBelongsToTheSeed) {
  const at::Tensor noise = Load()->Noise(3);
  EXPECT_TRUE(TensorsEqual(noise, Load()->Noise(3)));
  EXPECT_FALSE(TensorsEqual(noise, Load()->Noise(4)));
  options_.dtype = "bfloat16";
  EXPECT_TRUE(TensorsEqual(Load()->Noise(3), noise.to(at::kBFloat16)));
}

TEST_F(CheckpointSystemTest, OffloadKeepsOnePartAtATime) {
  const at::Tensor together =
      GenerateVideo(*Load(), *MakeNoCachePolicy(), "a cat", 3).sample.latent;
  options_.offload = true;
  const auto system = Load();
  system->Prepare({"a cat", "a dog"}, &NoProgress());
  EXPECT_EQ(live_transformers + live_decoders, 0);
  {
    const auto run = system->Begin("a cat");
    EXPECT_EQ(live_transformers, 1);
  }
  system->Decode(at::ones({1}));
  EXPECT_EQ(live_transformers, 0);
  EXPECT_EQ(live_decoders, 1);
  const auto made = GenerateVideo(*system, *MakeNoCachePolicy(), "a cat", 3);
  EXPECT_TRUE(TensorsEqual(made.sample.latent, together));
  EXPECT_EQ(live_transformers, 0) << "the run makes room for the decoder";
}

TEST_F(CheckpointSystemTest, PlanBeforeLoading) {
  options_.dtype = "float16";
  const auto system = Load();
  const std::vector<PartPlan> plan = system->Plan();
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[0].part, "text encoder");
  EXPECT_EQ(plan[1].memory_bytes, 2);
  EXPECT_EQ(plan[2].file_bytes, 408);
  EXPECT_EQ(plan[2].memory_bytes, 4) << "what is ignored takes no memory";
  const std::string text = DescribePlan(*system, /*offload=*/false, 10);
  EXPECT_THAT(text,
              AllOf(HasSubstr("10 videos"),
                    HasSubstr("text encoder"),
                    HasSubstr("transformer"),
                    HasSubstr("decoder"),
                    HasSubstr("--offload")));
  EXPECT_EQ(loads, 0);
}

TEST(FormatBytes, ThreeDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(12345), "12.3 kB");
  EXPECT_EQ(FormatBytes(391200000), "391 MB");
  EXPECT_EQ(FormatBytes(4230000000), "4.23 GB");
}

TEST_F(CheckpointSystemTest, PartsThatDoNotFitAreFoundAtOnce) {
  WriteComponent(root_.path() / "transformer", kNoConfig, {{"wrong", at::ones({1})}});
  EXPECT_THAT(
      ErrorOf([&] { Load(); }),
      AllOf(HasSubstr("transformer"), HasSubstr("1 missing: w"), HasSubstr("1 unexpected: wrong")));
  WriteComponent(root_.path() / "transformer", kNoConfig, {{"w", at::ones({1})}});
  WriteComponent(root_.path() / "vae", kNoConfig, {{"d", at::ones({3})}});
  EXPECT_THAT(ErrorOf([&] { Load(); }), AllOf(HasSubstr("vae"), HasSubstr("misshaped")));
  fs::remove_all(root_.path() / "vae");
  EXPECT_THAT(ErrorOf([&] { Load(); }),
              AllOf(HasSubstr(root_.path().string()), HasSubstr("decoder"), HasSubstr("vae")));
  options_.vae = root_ / "elsewhere";
  EXPECT_THAT(ErrorOf([&] { Load(); }), HasSubstr("elsewhere"));
  options_.weights.clear();
  EXPECT_THAT(ErrorOf([&] { Load(); }), HasSubstr("--weights"));
}

TEST_F(CheckpointSystemTest, TokenizerBesideTheEncoder) {
  fs::rename(root_.path() / "tokenizer" / "spiece.model",
             root_.path() / "text_encoder" / "spiece.model");
  EXPECT_NO_THROW(Load());
  fs::remove(root_.path() / "text_encoder" / "spiece.model");
  EXPECT_THAT(ErrorOf([&] { Load(); }), HasSubstr("spiece.model"));
}

TEST_F(CheckpointSystemTest, PromptsFileInsteadOfTheEncoder) {
  PromptEncoder encoder(
      root_ / "text_encoder", root_ / "tokenizer", {20, true, {}}, at::kFloat, at::kCPU);
  WritePromptsFile(root_ / "prompts.safetensors",
                   {"a cat"},
                   {encoder.Encode("a cat")},
                   {encoder.rule(), encoder.Digest()});
  const at::Tensor expected =
      GenerateVideo(*Load(), *MakeNoCachePolicy(), "a cat", 0).sample.latent;
  fs::remove_all(root_.path() / "text_encoder");
  EXPECT_THAT(ErrorOf([&] { Load(); }), HasSubstr("text encoder"));
  options_.prompt_embeddings = root_ / "prompts.safetensors";
  const auto system = Load();
  EXPECT_TRUE(TensorsEqual(GenerateVideo(*system, *MakeNoCachePolicy(), "a cat", 0).sample.latent,
                           expected));
  EXPECT_THAT(ErrorOf([&] { system->CheckPrompt("a dog"); }), HasSubstr("a dog"));
}

TEST_F(CheckpointSystemTest, LongPromptsAreCutWithAWarning) {
  Warnings warnings;
  std::string prompt;
  for (int i = 0; i < 20; ++i) prompt += "a dog ";
  Load()->Prepare({"a cat", prompt}, &warnings);
  EXPECT_THAT(warnings.messages, ElementsAre(AllOf(HasSubstr("a dog"), HasSubstr("20 tokens"))));
}

// The libraries' order at link time decides about it (runners/CMakeLists.txt).
TEST(Linking, NobodyWritesOverLibTorchsFlags) {
  EXPECT_FALSE(FLAGS_caffe2_use_fatal_for_enforce);
  Dl_info owner{};
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "FLAGS_minloglevel"), &owner), 0);
  EXPECT_THAT(owner.dli_fname, HasSubstr("sentencepiece"));
}

TEST(NamingPart, SaysWhichPartRanOutOfMemory) {
  const std::string error =
      ErrorOf([] { NamingPart("decoder", []() -> int { throw std::bad_alloc(); }); });
  EXPECT_THAT(error, AllOf(HasSubstr("decoder"), HasSubstr("memory"), HasSubstr("--dtype")));
  // What LibTorch itself throws.
  EXPECT_THAT(
      ErrorOf([] { NamingPart("transformer", [] { return at::empty({int64_t{1} << 50}); }); }),
      AllOf(HasSubstr("transformer"), HasSubstr("memory")));
  EXPECT_THROW(NamingPart("x", []() -> int { throw std::logic_error("other"); }), std::logic_error);
  EXPECT_EQ(NamingPart("x", [] { return 3; }), 3);
}

}  // namespace
}  // namespace teacache
