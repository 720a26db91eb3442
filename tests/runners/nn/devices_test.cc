// Whole systems with --device cuda, on the devices of tests/support/fake_cuda.h: nothing stays on
// the CPU that a GPU would miss, and the frames are those of the CPU.

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "datasets/tensors/torch_device.h"
#include "runners/encode_prompts.h"
#include "runners/generate_videos.h"
#include "runners/sampling/relative_l1.h"
#include "runners/systems/system_list.h"
#include "runners/training/shapes_samples.h"
#include "runners/training/shapes_training.h"
#include "tests/support/fake_cuda.h"
#include "tests/support/open_sora_folder.h"
#include "tests/support/published_folders.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/temp_dir.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kDevice = "cuda:1";  // what forgets the index goes to cuda:0

TEST(FakeCuda, TellsTensorsOfTwoDevicesApart) {
  const at::Tensor host = at::arange(6, at::kFloat);
  const at::Tensor there = host.to(at::Device(at::kCUDA, 0));
  EXPECT_EQ(there.device().str(), "cuda:0");
  EXPECT_TRUE(
      at::equal((there.view({2, 3}).t() * 2).sum(1).cpu(), (host.view({2, 3}).t() * 2).sum(1)));
  EXPECT_TRUE(at::equal((there + at::ones({}, at::kFloat)).cpu(), host + 1)) << "a number may mix";
  EXPECT_THROW(there + host, c10::Error);
  EXPECT_THROW(there + host.to(at::Device(at::kCUDA, 1)), c10::Error);
  EXPECT_THROW(at::linear(there.view({2, 3}), at::ones({1, 3})), c10::Error);
  EXPECT_THROW(at::cat({there, host}), c10::Error);
  EXPECT_DEATH({ [[maybe_unused]] volatile float value = *there.const_data_ptr<float>(); }, "");
}

TEST(ParseDevice, OfAMachineWithTwo) {
  EXPECT_EQ(ParseDevice("cuda").str(), "cuda:0");
  EXPECT_EQ(ParseDevice("cuda:1").str(), "cuda:1");
  for (const char* text : {"cuda:2", "cuda:128", "cuda:256", "cuda:999"}) {
    EXPECT_THAT(ErrorOf([&] { ParseDevice(text); }),
                AllOf(HasSubstr("cuda:0 to cuda:1"), HasSubstr(text)));
  }
}

TEST(MeasureL1, OfADevice) {
  const at::Tensor a = at::randn({3, 1000}), b = at::randn({3, 1000});
  const L1Sums here = MeasureL1(a, b), there = MeasureL1(a.to(at::kCUDA), b.to(at::kCUDA));
  EXPECT_NEAR(there.diff_l1, here.diff_l1, 1e-9 * here.diff_l1);
  EXPECT_NEAR(there.prev_l1, here.prev_l1, 1e-9 * here.prev_l1);
}

class Devices : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    if (GetParam() == "latte") WriteLatteFolder(folder_.path());
    if (GetParam() == "open-sora-plan") WriteOpenSoraPlanFolder(folder_.path());
    if (GetParam() == "open-sora") {
      WriteOpenSoraFolder(folder_.path(), OwnGoldenCase("opensora_vae"), OwnGoldenCase("t5"));
    }
  }

  bool published() const { return GetParam() != "shapes"; }
  std::string Prompt() const {
    return published() ? "a red ball, rolling slowly"
                       : "a small red circle moving left slowly on black";
  }
  SystemOptions Options(const std::string& device) const {
    SystemOptions options;
    options.device = device;
    options.dtype = "float32";
    options.steps = 5;
    if (published()) options.weights = folder_.path().string();
    if (GetParam() == "open-sora") {
      options.frames = 17;
      options.width = 64;
      options.height = 48;
    }
    return options;
  }

  // With a cache, so that every step of a run takes part.
  GeneratedVideo Make(const SystemOptions& options) const {
    const auto system = LoadSystem(GetParam(), options);
    system->Prepare({Prompt()}, &NoProgress());
    SampleOptions sampling;
    sampling.record = true;
    const auto policy = MakeTeaCachePolicy({0.05, Polynomial({1, 0})});
    return GenerateVideo(*system, *policy, Prompt(), 3, sampling);
  }

  void ExpectSame(const GeneratedVideo& there, const GeneratedVideo& here, int most) const {
    EXPECT_EQ(there.sample.Computed(), here.sample.Computed());
    ASSERT_EQ(there.video.frames.size(), here.video.frames.size());
    int worst = 0;
    for (size_t t = 0; t < here.video.frames.size(); ++t) {
      ASSERT_EQ(there.video.frames[t].rgb.size(), here.video.frames[t].rgb.size());
      for (size_t i = 0; i < here.video.frames[t].rgb.size(); ++i) {
        worst = std::max(
            worst, std::abs(int{there.video.frames[t].rgb[i]} - int{here.video.frames[t].rgb[i]}));
      }
    }
    EXPECT_LE(worst, most);
  }

  TempDir folder_;
};

TEST_P(Devices, MakeTheFramesOfTheCpu) {
  const GeneratedVideo here = Make(Options("cpu"));
  const int64_t operators = FakeCudaOperators(), waits = FakeCudaWaits();
  const GeneratedVideo there = Make(Options(kDevice));
  ExpectSame(there, here, 1);
  EXPECT_GT(FakeCudaOperators(), operators + 100);
  EXPECT_GE(FakeCudaWaits(), waits + 3 * static_cast<int64_t>(there.sample.calls.size()))
      << "the times of a trace are those of the device";
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
}

// A run is timed once the device has done its work, and waits for nothing before.
TEST_P(Devices, AreWaitedForBeforeTheClockIsRead) {
  const auto system = LoadSystem(GetParam(), Options(kDevice));
  system->Prepare({Prompt()}, &NoProgress());
  const auto run = system->Begin(Prompt());
  const auto scheduler = system->MakeScheduler();
  const at::Tensor noise = system->Noise(0);
  const int64_t waits = FakeCudaWaits();
  Sample(run.get(), scheduler.get(), *MakeNoCachePolicy(), noise);
  EXPECT_EQ(FakeCudaWaits(), waits + 2);
}

TEST_P(Devices, PartsTakeTurns) {
  if (!published()) GTEST_SKIP() << "the shipped model is one part, nothing takes turns";
  SystemOptions options = Options(kDevice);
  TakeFakeCudaPeak();
  const GeneratedVideo all = Make(options);
  const int64_t together = TakeFakeCudaPeak();
  options.offload = true;
  ExpectSame(Make(options), all, 0);
  EXPECT_LT(TakeFakeCudaPeak(), together);
}

TEST_P(Devices, InHalfPrecision) {
  SystemOptions options = Options(kDevice);
  options.dtype = GetParam().starts_with("open-sora") ? "bfloat16" : "float16";
  EXPECT_FALSE(Make(options).video.frames.empty());
}

TEST_P(Devices, PromptsEncodedInAdvance) {
  if (!published()) GTEST_SKIP() << "the shipped model has no text encoder of its own";
  SystemOptions options = Options(kDevice);
  const GeneratedVideo whole = Make(options);
  EncodeOptions encode;
  encode.model = GetParam();
  encode.system = options;
  encode.prompts = {Prompt()};
  encode.out = folder_ / "prompts.safetensors";
  EXPECT_EQ(EncodePrompts(encode).done, 1);
  options.prompt_embeddings = encode.out;
  ExpectSame(Make(options), whole, 0);
}

TEST(TrainShapes, OnADevice) {
  at::set_num_threads(1);
  const TempDir folder;
  ShapesTrainingOptions options;
  options.work_folder = folder.path().string();
  options.device = at::Device(at::kCUDA, 1);
  options.autoencoder = TinyShapesAutoencoder();
  options.transformer = TinyShapesTransformer();
  for (int64_t* steps : {&options.frame_steps,
                         &options.decoder_steps,
                         &options.code_steps,
                         &options.refine_steps,
                         &options.transformer_steps}) {
    *steps = 2;
  }
  options.replicas = 2;
  options.bf16 = true;
  options.pool_videos = 512;
  options.frame_batch = 2;
  options.code_batch = 64;
  options.transformer_batch = 4;
  ShapesTrainingHooks hooks;
  hooks.sample = [](int64_t, const ShapesTransformer& t, const ShapesAutoencoder& a) {
    EXPECT_EQ(SampleShapesVideos(t, a, {{}}, {}).size(), 1u);
  };
  const ShapesWeights weights = TrainShapes(options, hooks);
  EXPECT_TRUE(weights.finished);
  EXPECT_TRUE(std::isfinite(weights.transformer_loss));
  SaveShapesWeights(folder / "weights",
                    weights.autoencoder,
                    options.autoencoder,
                    weights.transformer,
                    options.transformer,
                    {});
  // Again: every stage from its file.
  EXPECT_TRUE(TrainShapes(options, {}).finished);
}

INSTANTIATE_TEST_SUITE_P(All,
                         Devices,
                         ::testing::Values("shapes", "latte", "open-sora-plan", "open-sora"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace teacache
