// The models at their published sizes: each takes exactly the tensors that the reference's own
// module lists (tests/published).

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runners/models/latte_t2v.h"
#include "runners/models/stdit3.h"
#include "runners/nn/parameters.h"
#include "runners/text/t5_encoder.h"
#include "runners/vae/autoencoder_kl.h"
#include "runners/vae/causal_vae.h"
#include "runners/vae/open_sora_vae.h"
#include "runners/vae/temporal_decoder.h"
#include "tests/support/published_model.h"
#include "tests/support/user_error.h"

namespace teacache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The tensors of a published model, without values.
CheckpointParameters HollowParameters(const TensorShapes& shapes) {
  TensorMap tensors;
  for (const auto& [name, shape] : shapes) {
    tensors.emplace(name, at::empty(shape, at::TensorOptions(at::kFloat).device(at::kMeta)));
  }
  return {std::move(tensors), "published", at::kFloat, at::kMeta};
}

// Names that `source` was given and the model did not ask for.
std::vector<std::string> NotTaken(const TensorShapes& published, const ShapeParameters& source) {
  std::vector<std::string> names;
  for (const auto& [name, shape] : published) {
    if (!source.shapes().contains(name)) names.push_back(name);
  }
  return names;
}

// Elements of what is not named so.
int64_t ElementsWithout(const TensorShapes& shapes, const std::vector<std::string>& prefixes) {
  int64_t count = 0;
  for (const auto& [name, shape] : shapes) {
    const bool left_out = std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) {
      return name.starts_with(prefix);
    });
    if (!left_out) count += Elements(shape);
  }
  return count;
}

void ExpectLatte(const std::string& name, bool open_sora_plan, int64_t video_length) {
  const PublishedModel published = PublishedModel::Read(name);
  const LatteT2VConfig config = ParseLatteT2VConfig(published.config, "config.json");
  ShapeParameters shapes;
  const LatteT2V model(&shapes, config);
  EXPECT_EQ(shapes.elements(), 1'057'246'880);  // 1057.2 M
  EXPECT_THAT(NotTaken(published.shapes, shapes), ElementsAre("caption_projection.y_embedding"));
  EXPECT_EQ(model.blocks().size(), 56U);
  EXPECT_EQ(config.open_sora_plan, open_sora_plan);
  EXPECT_EQ(config.video_length, video_length);
  EXPECT_EQ(config.temporal_scale(), 1);
  // With and without that buffer.
  TensorShapes tensors = published.shapes;
  for (int i = 0; i < 2; ++i) {
    CheckpointParameters source = HollowParameters(tensors);
    for (const std::string& key : config.IgnoredKeys()) source.Ignore(key);
    LatteT2V(&source, config);
    EXPECT_NO_THROW(source.Finish());
    tensors.erase("caption_projection.y_embedding");
  }
}

TEST(PublishedModels, Latte) { ExpectLatte("latte_transformer", false, 16); }

TEST(PublishedModels, OpenSoraPlan) { ExpectLatte("open_sora_plan_transformer", true, 17); }

TEST(PublishedModels, OpenSora) {
  const PublishedModel published = PublishedModel::Read("open_sora_transformer");
  ShapeParameters source;
  StDiT3(&source, StDiT3Config::FromJson({published.config, "config.json"}));
  EXPECT_EQ(source.shapes(), published.shapes);
  EXPECT_EQ(source.elements(), 1'208'872'772);  // 1208.9 M, buffers included
}

TEST(PublishedModels, TextEncoder) {
  const PublishedModel published = PublishedModel::Read("t5_v1_1_xxl_encoder");
  // The embedding is saved by either name, or by both.
  for (const std::string left_out : {"", "shared.weight", "encoder.embed_tokens.weight"}) {
    TensorShapes shapes = published.shapes;
    shapes.erase(left_out);
    CheckpointParameters source = HollowParameters(shapes);
    AdaptT5Source(&source);
    T5Encoder(&source, ParseT5Config(published.config, "config.json"));
    EXPECT_NO_THROW(source.Finish()) << left_out;
    EXPECT_EQ(source.taken_elements(), 4'762'310'656);
  }
}

// Takes all of a decoder but its other half, by `make` from a source.
template <typename Make>
void ExpectDecoder(const PublishedModel& published,
                   const std::vector<std::string>& other_half,
                   const Make& make) {
  CheckpointParameters source = HollowParameters(published.shapes);
  PrepareDecoderParameters(&source);
  make(&source, JsonFields(published.config, "config.json"));
  EXPECT_NO_THROW(source.Finish());
  EXPECT_EQ(source.taken_elements(), ElementsWithout(published.shapes, other_half));
}

TEST(PublishedModels, LattesDecoders) {
  const std::vector<std::string> encoder = {"encoder.", "quant_conv."};
  ExpectDecoder(
      PublishedModel::Read("svd_temporal_vae"), encoder, [](auto* source, const auto& json) {
        TemporalDecoder(source, TemporalDecoderConfig::FromJson(json));
      });
  ExpectDecoder(PublishedModel::Read("sd_vae"), encoder, [](auto* source, const auto& json) {
    AutoencoderKl(source, AutoencoderKlConfig::FromJson(json));
  });
}

TEST(PublishedModels, OpenSorasDecoder) {
  ExpectDecoder(PublishedModel::Read("open_sora_vae"),
                {"spatial_vae.module.encoder.",
                 "spatial_vae.module.quant_conv.",
                 "temporal_vae.encoder.",
                 "temporal_vae.quant_conv."},
                [](auto* source, const auto& json) {
                  OpenSoraVae(source, OpenSoraVaeConfig::FromJson(json));
                });
}

TEST(PublishedModels, OpenSoraPlansDecoder) {
  ExpectDecoder(
      PublishedModel::Read("open_sora_plan_vae"),
      {"encoder.", "quant_conv.", "loss."},
      [](auto* source, const auto& json) { CausalVae(source, CausalVaeConfig::FromJson(json)); });
}

// Another model's weights: every tensor is named, and the line can still be read.
TEST(PublishedModels, AnotherModelsWeightsAreToldInOneReadableLine) {
  CheckpointParameters source =
      HollowParameters(PublishedModel::Read("open_sora_transformer").shapes);
  LatteT2V(&source,
           ParseLatteT2VConfig(PublishedModel::Read("latte_transformer").config, "config.json"));
  const std::string error = ErrorOf([&] { source.Finish(); });
  EXPECT_THAT(
      error,
      AllOf(HasSubstr("967 missing: "),
            HasSubstr("transformer_blocks.{0..27}.attn1.{to_k,to_q,to_v}.{bias,weight}"),
            HasSubstr("temporal_transformer_blocks.{0..27}.ff.net.2.{bias,weight}"),
            HasSubstr("973 unexpected: "),
            HasSubstr("{spatial_blocks,temporal_blocks}.{0..27}.attn.{k_norm,q_norm}.weight"),
            Not(HasSubstr("\n"))))
      << error;
  EXPECT_LT(error.size(), 2000U) << error;
}

// A smaller model of the same kind: what does not fit is reported block by block.
TEST(PublishedModels, OtherSizesAreToldInOneReadableLine) {
  const PublishedModel published = PublishedModel::Read("latte_transformer");
  nlohmann::json smaller = published.config;
  smaller["num_attention_heads"] = 8;
  smaller["cross_attention_dim"] = 576;
  CheckpointParameters source = HollowParameters(published.shapes);
  LatteT2V(&source, ParseLatteT2VConfig(smaller, "config.json"));
  const std::string error = ErrorOf([&] { source.Finish(); });
  EXPECT_THAT(error,
              HasSubstr("transformer_blocks.{0..27}.ff.net.2.weight must be [576, 2304] but is "
                        "[1152, 4608]"));
  EXPECT_LT(error.size(), 5000U) << error;
}

}  // namespace
}  // namespace teacache
