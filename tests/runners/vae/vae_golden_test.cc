// The autoencoders' decoders against the reference (golden kinds "vae_kl2d", "vae_temporal",
// "vae_osp", "vae_osp_units" and "opensora_vae").

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "runners/vae/autoencoder_kl.h"
#include "runners/vae/causal_vae.h"
#include "runners/vae/open_sora_vae.h"
#include "runners/vae/temporal_decoder.h"
#include "tests/runners/models/golden_model.h"
#include "tests/support/torch_matchers.h"

namespace teacache {
namespace {

template <typename Decoder, typename Config, typename... Arguments>
Decoder LoadDecoder(const GoldenTensors& tensors,
                    const GoldenCase& golden,
                    const Config& config,
                    const Arguments&... arguments) {
  CheckpointParameters source(tensors.Weights(), golden.name);
  PrepareDecoderParameters(&source);
  Decoder decoder(&source, config, arguments...);
  source.Finish();
  return decoder;
}

// Bytes may differ by `step` in at most `share` of the places.
void ExpectBytesNear(const at::Tensor& actual,
                     const at::Tensor& expected,
                     int64_t step,
                     double share) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const at::Tensor difference = (actual.to(at::kInt) - expected.to(at::kInt)).abs();
  EXPECT_LE(difference.max().item<int64_t>(), step);
  EXPECT_LE((difference > 0).to(at::kDouble).mean().item<double>(), share);
}

// Frames that follow from `golden`'s bytes with at most one step where a value lies on an edge.
constexpr double kShareOfEdges = 0.01;

void CompareFrames(const VideoDecoder& decoder,
                   const GoldenCase& golden,
                   const at::Tensor& frames,
                   const at::Tensor& expected_frames,
                   const at::Tensor& expected_bytes) {
  const auto& tolerance = golden.json.at("tolerance");
  EXPECT_TRUE(TensorsNearRel(frames, expected_frames, tolerance.at("decoded_max_rel_of_absmax")));
  ExpectBytesNear(FramesToBytes(frames, decoder.rounding()),
                  expected_bytes,
                  tolerance.at("frames_u8_max_abs_diff"),
                  kShareOfEdges);
  // The rounding for itself is exact.
  EXPECT_TRUE(TensorsEqual(FramesToBytes(expected_frames, decoder.rounding()), expected_bytes));
}

TEST(AutoencoderKl, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("vae_kl2d")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const auto config =
        AutoencoderKlConfig::FromJson(JsonFields(golden.json.at("config"), golden.name));
    const auto decoder = LoadDecoder<AutoencoderKl>(tensors, golden, config);
    const at::Tensor latent = tensors.In("latents");
    CompareFrames(decoder,
                  golden,
                  decoder.Decode(latent, latent.size(2)),
                  tensors.Out("decoded"),
                  tensors.Out("frames_u8")[0]);
  }
}

TEST(TemporalDecoder, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("vae_temporal")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const auto config =
        TemporalDecoderConfig::FromJson(JsonFields(golden.json.at("config"), golden.name));
    const auto decoder = LoadDecoder<TemporalDecoder>(tensors, golden, config);
    const at::Tensor latent = tensors.In("latents");
    CompareFrames(decoder,
                  golden,
                  decoder.Decode(latent, latent.size(2)),
                  tensors.Out("decoded"),
                  tensors.Out("frames_u8")[0]);
    const double tolerance = golden.json.at("tolerance").at("decoded_max_rel_of_absmax");
    const at::Tensor z = VideoToPictures(latent) / config.scaling_factor;
    EXPECT_TRUE(
        TensorsNearRel(decoder.DecodeChunk(z), tensors.Out("decoded_in_one_chunk"), tolerance));
    const int64_t begin = golden.json.at("chunks").back()[0];
    EXPECT_TRUE(TensorsNearRel(
        decoder.DecodeToMid(z.slice(0, begin)), tensors.Out("mid_block_last_chunk"), tolerance));
  }
}

CausalVaeTiling TilingFromJson(const nlohmann::json& j) {
  CausalVaeTiling tiling;
  j.at("tile_overlap_factor").get_to(tiling.overlap_factor);
  j.at("tile_latent_min_size").get_to(tiling.latent_size);
  j.at("tile_sample_min_size").get_to(tiling.sample_size);
  j.at("tile_latent_min_size_t").get_to(tiling.latent_frames);
  return tiling;
}

TEST(CausalVae, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("vae_osp")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const auto config =
        CausalVaeConfig::FromJson(JsonFields(golden.json.at("config"), golden.name));
    const CausalVaeTiling tiling = TilingFromJson(golden.json.at("tile"));
    const auto decoder = LoadDecoder<CausalVae>(tensors, golden, config, tiling);
    const at::Tensor latent = tensors.In("latents");
    const std::vector<std::pair<int64_t, int64_t>> windows = golden.json.at("temporal_windows");
    EXPECT_EQ(TimeWindows(latent.size(2), tiling.latent_frames), windows);
    EXPECT_EQ(TileOffsets(latent.size(3), tiling),
              golden.json.at("tile_rows").get<std::vector<int64_t>>());
    EXPECT_EQ(TileOffsets(latent.size(4), tiling),
              golden.json.at("tile_cols").get<std::vector<int64_t>>());

    const at::Tensor expected = tensors.Out("decoded_tiled")[0];
    const at::Tensor frames = decoder.Decode(latent, expected.size(0));
    CompareFrames(decoder, golden, frames, expected, tensors.Out("frames_u8_tiled")[0]);
    EXPECT_TRUE(at::equal(decoder.Decode(latent, expected.size(0) - 2),
                          frames.slice(0, 0, expected.size(0) - 2)));

    const double tolerance = golden.json.at("tolerance").at("decoded_max_rel_of_absmax");
    const at::Tensor z = latent / CausalVae::kScale;
    EXPECT_TRUE(TensorsNearRel(
        decoder.DecodeWhole(z).transpose(1, 2), tensors.Out("decoded_untiled"), tolerance));
    CausalVaeTiling whole = tiling;
    whole.enabled = false;
    EXPECT_TRUE(TensorsNearRel(
        LoadDecoder<CausalVae>(tensors, golden, config, whole).Decode(latent, expected.size(0)),
        tensors.Out("decoded_untiled")[0],
        tolerance));
    if (!tensors.Has("out.mid")) continue;
    EXPECT_TRUE(TensorsNearRel(decoder.PostQuant(z), tensors.Out("post_quant"), tolerance));
    EXPECT_TRUE(TensorsNearRel(decoder.Mid(decoder.PostQuant(z)), tensors.Out("mid"), tolerance));
  }
}

TEST(CausalVaeBlocks, MatchReference) {
  for (const GoldenCase& golden : FindGoldenCases("vae_osp_units")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    CheckpointParameters source(tensors.Weights(), golden.name);
    const double tolerance = golden.json.at("tolerance").at("max_rel_of_absmax");
    const auto compare = [&](const std::string& name, const auto& block) {
      SCOPED_TRACE(name);
      EXPECT_TRUE(TensorsNearRel(block(tensors.In(name)), tensors.Out(name), tolerance));
    };
    const auto in = [&](const std::string& name) { return tensors.In(name).size(1); };
    const auto out = [&](const std::string& name) { return tensors.Out(name).size(1); };
    for (const std::string kind : {"AttnBlock3D", "AttnBlock3DFix"}) {
      compare(kind, MakeCausalAttention(&source, kind, kind, in(kind)));
    }
    const std::string conv = "CausalConv3d";
    compare(conv, MakeVideoConv(&source, conv, conv, in(conv), out(conv), 3));
    const std::string resnet = "ResnetBlock2D";
    compare(resnet, MakeVideoResnet(&source, resnet, resnet, in(resnet), out(resnet)));
    const std::string space = "SpatialUpsample2x";
    compare(space, MakeSpaceUpsample(&source, space, space, in(space)));
    const std::string time = "TimeUpsample2x";
    const TimeUpsample twice = MakeTimeUpsample(&source, time, time, in(time));
    compare(time, twice);
    compare(time + ".one_frame", twice);
    const std::string mixed = "TimeUpsampleRes2x";
    compare(mixed, MakeTimeUpsample(&source, mixed, mixed, in(mixed)));
    source.Finish();
  }
}

OpenSoraVaeConfig OpenSoraConfigFromJson(const GoldenCase& golden) {
  const auto& json = golden.json;
  const auto& pipeline = json.at("pipeline_config");
  nlohmann::json config = {{"model_type", "VideoAutoencoderPipeline"},
                           {"micro_frame_size", pipeline.at("micro_frame_size")},
                           {"vae_2d", json.at("spatial_vae_config")},
                           {"vae_temporal", json.at("temporal_vae_config")}};
  config["vae_2d"]["micro_batch_size"] = pipeline.at("micro_batch_size");
  return OpenSoraVaeConfig::FromJson(JsonFields(config, golden.name));
}

OpenSoraVae LoadOpenSoraVae(const GoldenTensors& tensors,
                            const GoldenCase& golden,
                            at::ScalarType dtype = at::kFloat) {
  CheckpointParameters source(tensors.Weights(), golden.name, dtype);
  PrepareDecoderParameters(&source);
  OpenSoraVae vae(&source, OpenSoraConfigFromJson(golden));
  source.Finish();
  return vae;
}

TEST(OpenSoraVae, MatchesReference) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_vae")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const OpenSoraVae vae = LoadOpenSoraVae(tensors, golden);
    const OpenSoraVaeConfig config = OpenSoraConfigFromJson(golden);
    const auto& tolerance = golden.json.at("recommended_tolerance");
    const double rel = tolerance.at("frames_rel_to_max");
    for (const auto& [name, entry] : golden.json.at("cases").items()) {
      SCOPED_TRACE(name);
      const at::Tensor latent = tensors.In(name + ".latent");
      const int64_t num_frames = entry.at("num_frames");
      EXPECT_EQ(config.LatentFrames(num_frames), latent.size(2));
      const at::Tensor pictures = vae.DecodeTime(latent, num_frames);
      int64_t begin = 0;
      for (size_t k = 0; k < entry.at("chunks").size(); ++k) {
        const at::Tensor expected = tensors.Out(name + ".temporal_chunk." + std::to_string(k));
        const int64_t end = begin + expected.size(2);
        EXPECT_TRUE(TensorsNearRel(pictures.slice(2, begin, end), expected, rel)) << "chunk " << k;
        begin = end;
      }
      EXPECT_EQ(begin, pictures.size(2));
      const at::Tensor expected = tensors.Out(name + ".frames")[0].transpose(0, 1);
      const at::Tensor frames = vae.Decode(latent, num_frames);
      EXPECT_TRUE(TensorsNearRel(frames, expected, rel));
      ExpectBytesNear(FramesToBytes(frames, vae.rounding()),
                      tensors.Out(name + ".uint8")[0],
                      tolerance.at("uint8_max_step"),
                      tolerance.at("uint8_share_of_pixels_off_by_one"));
      // The rounding for itself is exact, in both dtypes.
      EXPECT_TRUE(
          TensorsEqual(FramesToBytes(expected, vae.rounding()), tensors.Out(name + ".uint8")[0]));
      EXPECT_TRUE(TensorsEqual(FramesToBytes(expected.to(at::kBFloat16), vae.rounding()),
                               tensors.Out(name + ".uint8_from_bf16_frames")[0]));
    }
  }
}

TEST(OpenSoraVae, PartsMatchReference) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_vae")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const OpenSoraVae vae = LoadOpenSoraVae(tensors, golden);
    const auto& tolerance = golden.json.at("recommended_tolerance");
    const double rel = tolerance.at("frames_rel_to_max");
    const at::Tensor seconds = tensors.Out("temporal_only.out_17f");
    EXPECT_TRUE(TensorsNearRel(
        vae.temporal()(tensors.In("temporal_only.z"), seconds.size(2)), seconds, rel));
    const double scale = golden.json.at("pipeline_config").at("spatial_scaling");
    EXPECT_TRUE(TensorsNearRel(vae.spatial().DecodePictures(tensors.In("spatial_only.z") / scale),
                               tensors.Out("spatial_only.decoded"),
                               rel));
    // Activations so small that a wrong eps shows.
    const double small = tolerance.at("small_rel_to_max");
    EXPECT_TRUE(TensorsNearRel(vae.temporal().res_block(0)(tensors.In("small.t")),
                               tensors.Out("small.temporal_res_blocks_0"),
                               small));
    EXPECT_TRUE(TensorsNearRel(vae.spatial().mid_resnet(0)(tensors.In("small.s")),
                               tensors.Out("small.spatial_mid_resnet_0"),
                               small));
    EXPECT_TRUE(TensorsNearRel(vae.spatial().mid_attention()(tensors.In("small.s")),
                               tensors.Out("small.spatial_mid_attention"),
                               small));
  }
}

// In bfloat16 two right decoders differ by their sums' order: the error may be as large as the
// reference's own against float32, and scale, shift and frames must be bfloat16.
TEST(OpenSoraVae, Bfloat16AsGoodAsReference) {
  for (const GoldenCase& golden : FindGoldenCases("opensora_vae")) {
    SCOPED_TRACE(golden.file.string());
    const GoldenTensors tensors(golden);
    const OpenSoraVae vae = LoadOpenSoraVae(tensors, golden, at::kBFloat16);
    for (const auto& [name, entry] : golden.json.at("cases").items()) {
      if (!entry.contains("bf16_model_vs_fp32")) continue;
      SCOPED_TRACE(name);
      const double rms = entry.at("bf16_model_vs_fp32").at("rms_rel");
      const at::Tensor frames = vae.Decode(tensors.In(name + ".latent"), entry.at("num_frames"));
      EXPECT_EQ(frames.scalar_type(), at::kBFloat16);
      const auto rms_rel = [&](const at::Tensor& expected) {
        const at::Tensor wide = expected[0].transpose(0, 1).to(at::kDouble);
        return ((frames.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
      };
      EXPECT_LE(rms_rel(tensors.Out(name + ".frames")), 1.25 * rms);
      EXPECT_LE(rms_rel(tensors.Out(name + ".bf16_model.frames")), 1.25 * rms);
      EXPECT_TRUE(
          TensorsEqual(FramesToBytes(tensors.Out(name + ".bf16_model.frames")[0].transpose(0, 1),
                                     vae.rounding()),
                       tensors.Out(name + ".bf16_model.uint8")[0]));
    }
  }
}

}  // namespace
}  // namespace teacache
