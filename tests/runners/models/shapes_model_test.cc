#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "runners/models/shapes_autoencoder.h"
#include "runners/models/shapes_transformer.h"
#include "runners/training/shapes_data.h"
#include "tests/support/shapes_weights.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

at::Tensor Random(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

class ShapesTransformerTest : public ::testing::Test {
 protected:
  TinyShapesModel tensors_ = MakeTinyShapesModel(1);
  SharedParameters source_{tensors_.transformer};
  ShapesTransformer model_{&source_, TinyShapesTransformer()};
  at::Tensor z_ = Random({2, 4, 16, 2, 2}, 5);
  at::Tensor t_ = at::tensor({0.9, 0.3}).to(at::kFloat);
  at::Tensor words_ = at::stack({ShapesWordIds({1, 2, 3, 4, 0, 2}), ShapesWordIds({})});
};

TEST_F(ShapesTransformerTest, PartsMakeTheWhole) {
  const auto condition = model_.Prepare(words_);
  EXPECT_EQ(condition.y.sizes(), at::IntArrayRef({2, 6, 32}));
  const auto timing = model_.AtTime(t_, condition);
  const at::Tensor tokens = model_.Embed(z_);
  EXPECT_EQ(tokens.sizes(), at::IntArrayRef({2, 8, 4, 32}));
  EXPECT_EQ(model_.ModulatedInput(tokens, timing).sizes(), tokens.sizes());
  const at::Tensor v = model_.Head(model_.Blocks(tokens, condition, timing), z_, timing);
  ASSERT_EQ(v.sizes(), z_.sizes());
  EXPECT_TRUE(TensorsEqual(model_(z_, t_, words_), v));
  EXPECT_TRUE(TensorsNear(model_(z_, t_, words_, AttentionKernel::kPlain), v, 1e-4, 1e-4));
}

TEST_F(ShapesTransformerTest, EverythingMatters) {
  const at::Tensor v = model_(z_, t_, words_);
  const auto differs = [&](const at::Tensor& other) {
    return (other - v)[0].abs().max().item<double>() > 1e-4;
  };
  EXPECT_TRUE(differs(model_(z_, t_ * 0.9, words_)));
  EXPECT_TRUE(differs(model_(z_.flip(2), t_, words_).flip(2)));  // time has a direction
  for (int slot = 0; slot < kShapesSlots; ++slot) {
    at::Tensor other = words_.clone();
    other[0][slot] = ShapesWordOffset(slot) + (slot == 0 ? 0 : 1);
    EXPECT_TRUE(differs(model_(z_, t_, other))) << slot;
  }
  const at::Tensor null = at::full_like(words_, ShapesTransformer::kNullWord);
  EXPECT_TRUE(differs(model_(z_, t_, null)));
  // The unconditional branch is the same for every prompt: rows of one z and t agree.
  const at::Tensor same =
      model_(z_.slice(0, 0, 1).repeat({2, 1, 1, 1, 1}), t_.slice(0, 0, 1).repeat({2}), null);
  EXPECT_TRUE(TensorsNear(same[0], same[1], 1e-5, 1e-5));
}

// v = (x0 - z) / max(t, 0.05): at small t the divisor stays.
TEST_F(ShapesTransformerTest, VelocityIsFiniteAtTheEnd) {
  const auto condition = model_.Prepare(words_);
  const auto timing = model_.AtTime(at::zeros({2}), condition);
  const at::Tensor tokens = model_.Embed(z_);
  const at::Tensor v = model_.Head(tokens, z_, timing);
  EXPECT_TRUE(at::isfinite(v).all().item<bool>());
  const at::Tensor x0 = model_.Head(tokens, at::zeros_like(z_), timing) * 0.05;
  EXPECT_TRUE(TensorsNear(v * 0.05 + z_, x0, 1e-4, 1e-5));
}

TEST(ShapesWordIds, CountThroughTheVocabulary) {
  EXPECT_TRUE(TensorsEqual(ShapesWordIds({0, 0, 0, 0, 0, 0}),
                           at::tensor({0, 2, 9, 15, 22, 24}).to(at::kLong)));
  EXPECT_TRUE(TensorsEqual(ShapesWordIds({1, 6, 5, 6, 1, 2}),
                           at::tensor({1, 8, 14, 21, 23, 26}).to(at::kLong)));
}

TEST(ShapesAutoencoder, ShapesOfTheStages) {
  const TinyShapesModel tensors = MakeTinyShapesModel(1);
  SharedParameters source(tensors.autoencoder);
  const ShapesAutoencoder model(&source, TinyShapesAutoencoder());
  const ShapesFrames frames = RandomShapesFrames(3, 1);
  EXPECT_EQ(model.frames().Encode(frames.frames).sizes(), at::IntArrayRef({3, 4, 8, 8}));
  const at::Tensor codes = model.EncodeFrames(frames.frames);
  EXPECT_EQ(codes.sizes(), at::IntArrayRef({3, 16}));
  EXPECT_EQ(model.DecodeFrames(codes).sizes(), at::IntArrayRef({3, 3, 64, 64}));
}

// A video's latent holds, frame by frame, the code as [channels, side, side].
TEST(ShapesAutoencoder, VideosAreFramesInOrder) {
  const TinyShapesModel tensors = MakeTinyShapesModel(1);
  SharedParameters source(tensors.autoencoder);
  const ShapesAutoencoder model(&source, TinyShapesAutoencoder());
  const at::Tensor z = Random({2, 4, 16, 2, 2}, 3);
  const at::Tensor videos = model.DecodeVideo(z);
  ASSERT_EQ(videos.sizes(), at::IntArrayRef({2, 16, 3, 64, 64}));
  for (const int t : {0, 7, 15}) {
    const at::Tensor code = z[1].select(1, t).reshape({1, 16});
    EXPECT_TRUE(TensorsNear(videos[1][t], model.DecodeFrames(code)[0], 1e-4, 1e-5)) << t;
  }
}

TEST(RandomShapesVideos, FramesFactorsAndPromptsBelongTogether) {
  const ShapesVideos videos = RandomShapesVideos(3, 7);
  ASSERT_EQ(videos.prompts.size(), 3u);
  ASSERT_EQ(videos.frames.frames.sizes(), at::IntArrayRef({48, 3, 64, 64}));
  EXPECT_EQ(videos.frames.factors.sizes(), at::IntArrayRef({48, kShapesFactors}));
  ShapesRng rng(7);
  for (int v = 0; v < 3; ++v) {
    const ShapesPrompt prompt = RandomShapesPrompt(&rng);
    const ShapesTrack track = RandomShapesTrack(prompt, &rng);
    ASSERT_TRUE(videos.prompts[v] == prompt);
    at::Tensor frame = at::empty({3, 64, 64});
    RenderShapesFrame(prompt, track.x[5], track.y[5], track.radius[5], frame.data_ptr<float>());
    EXPECT_TRUE(TensorsEqual(videos.frames.frames[v * 16 + 5], frame));
    EXPECT_EQ(videos.frames.radius[v * 16 + 5].item<float>(), track.radius[5]);
  }
  EXPECT_TRUE(TensorsEqual(RandomShapesVideos(3, 7).frames.frames, videos.frames.frames));
}

}  // namespace
}  // namespace teacache
