// Latte and Open-Sora-Plan 1.1 as systems, on tiny checkpoints in their published layouts.

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calib/published_coefficients.h"
#include "datasets/base/error.h"
#include "runners/generate_videos.h"
#include "runners/systems/system_list.h"
#include "tests/support/checkpoint_folder.h"
#include "tests/support/temp_dir.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kPrompt = "a red ball, rolling slowly";

// Which golden cases lie in which folders.
struct Layout {
  std::string system;
  std::string transformer_case, transformer_folder;
  std::string decoder_case, decoder_folder;
  std::string published;  // name of the coefficients
};
const Layout kLatte = {
    "latte", "latte_sampling", "transformer", "vae_temporal", "vae_temporal_decoder", "latte"};
const Layout kPlan = {
    "open-sora-plan", "osp_sampling", "65x512x512", "vae_osp", "vae", "open-sora-plan-1.1"};

class LatteSystems : public ::testing::TestWithParam<Layout> {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    Write(GetParam().transformer_case, GetParam().transformer_folder);
    Write(GetParam().decoder_case, GetParam().decoder_folder);
    WriteTextEncoder(folder_.path(), Case("t5"));
  }

  static GoldenCase Case(const std::string& kind) { return FindGoldenCases(kind).at(0); }
  void Write(const std::string& kind, const std::string& folder) const {
    const GoldenCase golden = Case(kind);
    WriteComponent(folder_.path() / folder, golden.json.at("config"), GoldenWeights(golden));
  }
  SystemOptions Options() const {
    SystemOptions options;
    options.weights = folder_.path().string();
    options.steps = 6;
    return options;
  }
  std::unique_ptr<System> Load(const SystemOptions& options) const {
    return LoadSystem(GetParam().system, options);
  }
  std::string MistakeOf(const SystemOptions& options) const {
    try {
      Load(options);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no mistake";
  }

  TempDir folder_;
};

TEST_P(LatteSystems, MakeVideosOfTheSizeThatTheySay) {
  const auto system = Load(Options());
  const SystemInfo& info = system->info();
  EXPECT_EQ(info.steps, 6);
  EXPECT_EQ(info.calls, GetParam().system == "latte" ? 6 : 15);
  EXPECT_EQ(info.guidance, 7.5);
  EXPECT_EQ(info.calls, system->MakeScheduler()->num_calls());
  EXPECT_EQ(system->PublishedCoefficients()->coefficients(),
            FindPublishedSet(GetParam().published).coefficients);
  SampleOptions options;
  options.record = true;
  const GeneratedVideo made = GenerateVideo(*system, *MakeNoCachePolicy(), kPrompt, 0, options);
  ASSERT_EQ(static_cast<int>(made.video.frames.size()), info.frames);
  EXPECT_EQ(made.video.frames[0].width, info.width);
  EXPECT_EQ(made.video.frames[0].height, info.height);
  EXPECT_EQ(made.video.fps, info.fps);
  EXPECT_GT(made.sample.calls[2].mod.Ratio(), 0);
}

// A skipped call costs no block, and other sizes than the model's own work.
TEST_P(LatteSystems, ModesThresholdsAndSizes) {
  SystemOptions options = Options();
  const auto own = Load(options);
  const int step = own->info().width / 4;  // the tiny models are 4 patches wide
  options.width = 3 * step;
  options.height = 2 * step;
  const auto system = Load(options);
  EXPECT_EQ(system->info().width, options.width);
  const auto policy = MakeTeaCachePolicy({1e6, Polynomial({1, 0})});  // skips all it may
  SampleOptions sampling;
  sampling.teacache_mode = TeaCacheMode::kReference;
  const GeneratedVideo made = GenerateVideo(*system, *policy, kPrompt, 1, sampling);
  EXPECT_EQ(made.sample.ComputedCount(), 2);
  EXPECT_EQ(made.video.frames.at(0).height, options.height);
}

TEST_P(LatteSystems, OtherStepsAreThoseOfAnotherLoad) {
  SystemOptions options = Options();
  const auto system = Load(options);
  const auto policy = MakeNoCachePolicy();
  const at::Tensor before = GenerateVideo(*system, *policy, kPrompt, 0).sample.latent;
  options.steps = 4;
  const auto loaded = Load(options);
  const auto other = system->WithSteps(4);
  EXPECT_EQ(other->info().steps, 4);
  EXPECT_EQ(other->info().calls, loaded->info().calls);
  EXPECT_TRUE(at::equal(GenerateVideo(*other, *policy, kPrompt, 0).sample.latent,
                        GenerateVideo(*loaded, *policy, kPrompt, 0).sample.latent));
  EXPECT_TRUE(at::equal(GenerateVideo(*system, *policy, kPrompt, 0).sample.latent, before));
  EXPECT_THROW(system->WithSteps(0), UserError);
}

TEST_P(LatteSystems, WithoutGuidanceThePromptGoesAlone) {
  SystemOptions options = Options();
  options.guidance = 1;
  const auto system = Load(options);
  EXPECT_EQ(GenerateVideo(*system, *MakeNoCachePolicy(), kPrompt, 0).sample.latent.size(0), 1);
}

TEST_P(LatteSystems, MistakesAreNamed) {
  const auto with = [&](const auto& change) {
    SystemOptions options = Options();
    change(&options);
    return MistakeOf(options);
  };
  EXPECT_THAT(with([](SystemOptions* o) { o->frames = 3; }),
              AllOf(HasSubstr("--frames: must be the "),
                    HasSubstr("that the transformer was trained for"),
                    HasSubstr("config.json"),
                    HasSubstr("but is 3")));
  EXPECT_THAT(with([](SystemOptions* o) { o->aesthetic_score = 6; }),
              HasSubstr("--aesthetic-score: is for open-sora"));
  EXPECT_THAT(with([](SystemOptions* o) { o->camera_motion = "pan left"; }),
              HasSubstr("--camera-motion: is for open-sora"));
  EXPECT_THAT(with([](SystemOptions* o) { o->width = 64; }),
              HasSubstr("both --width and --height"));
  EXPECT_THAT(with([](SystemOptions* o) { o->width = o->height = 17; }),
              HasSubstr("must be a multiple of"));
  EXPECT_THAT(with([](SystemOptions* o) { o->resolution = "480p"; }), HasSubstr("--resolution"));
  EXPECT_THAT(with([](SystemOptions* o) { o->steps = 1001; }), HasSubstr("--steps: must be"));
  EXPECT_THAT(with([](SystemOptions* o) { o->steps = -1; }), HasSubstr("--steps: must be"));
  EXPECT_THAT(with([](SystemOptions* o) { o->guidance = INFINITY; }), HasSubstr("--guidance"));
  EXPECT_THAT(with([](SystemOptions* o) { o->weights += "/none"; }), HasSubstr("transformer"));
}

TEST_P(LatteSystems, TheOthersTransformerIsRefused) {
  const Layout& other = GetParam().system == "latte" ? kPlan : kLatte;
  Write(other.transformer_case, GetParam().transformer_folder);
  EXPECT_THAT(MistakeOf(Options()), HasSubstr("use --model " + other.system));
}

TEST_P(LatteSystems, WeightsThatDoNotFitAreNamed) {
  const GoldenCase golden = Case(GetParam().transformer_case);
  TensorMap weights = GoldenWeights(golden);
  weights.erase("proj_out.bias");
  weights["scale_shift_table"] = weights["scale_shift_table"].slice(0, 0, 1);
  weights["pos_embed.pos_embed"] = weights["scale_shift_table"];  // a stray buffer: ignored
  weights["surplus"] = weights["scale_shift_table"];
  WriteComponent(folder_.path() / GetParam().transformer_folder, golden.json.at("config"), weights);
  const std::string mistake = MistakeOf(Options());
  EXPECT_THAT(mistake, HasSubstr("1 missing: proj_out.bias"));
  EXPECT_THAT(mistake, HasSubstr("1 unexpected: surplus"));
  EXPECT_THAT(mistake, HasSubstr("scale_shift_table must be [2,"));
}

INSTANTIATE_TEST_SUITE_P(Both,
                         LatteSystems,
                         ::testing::Values(kLatte, kPlan),
                         [](const auto& info) {
                           return info.param.system == "latte" ? "Latte" : "OpenSoraPlan";
                         });

// The pipeline sets the betas itself, whatever the checkpoint's file says.
class LatteScheduler : public LatteSystems {};
TEST_P(LatteScheduler, IsTheCheckpointsWithThePipelinesBetas) {
  const auto write = [&](const char* json) {
    MakeFolders(folder_ / "scheduler");
    AtomicWriteFile(folder_ / "scheduler/scheduler_config.json", json);
  };
  write(R"({"steps_offset": 1, "beta_end": 0.5})");
  EXPECT_EQ(Load(Options())->MakeScheduler()->TimestepOf(0), 831);
  write(R"({"prediction_type": "v_prediction"})");
  EXPECT_THAT(MistakeOf(Options()), HasSubstr("prediction_type must be epsilon"));
  write("{");
  EXPECT_THAT(MistakeOf(Options()), HasSubstr("scheduler_config.json"));
}
INSTANTIATE_TEST_SUITE_P(Latte, LatteScheduler, ::testing::Values(kLatte));

}  // namespace
}  // namespace teacache
