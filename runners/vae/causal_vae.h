#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/json_fields.h"
#include "runners/nn/parameters.h"
#include "runners/vae/causal_blocks.h"
#include "runners/vae/video_decoder.h"

namespace teacache {

// The decoder of Open-Sora-Plan 1.1's CausalVAEModel (reference: videosys'
// autoencoder_kl_open_sora_plan_v110.py, ali-vilab/TeaCache). The config names the kind of every
// block, since published checkpoints differ. Causal convolutions repeat the first frame in front;
// norms have 32 groups, eps 1e-6.

struct CausalVaeConfig {
  int64_t hidden_size = 128;
  int64_t z_channels = 4;
  int64_t embed_dim = 4;
  std::vector<int64_t> hidden_size_mult = {1, 2, 4, 4};
  std::vector<int64_t> attn_resolutions = {};  // sides at which stages have attention too
  int64_t resolution = 256;
  int64_t num_res_blocks = 2;
  // Kinds, with the reference's defaults. Lists are by stage, 0 = the widest picture.
  std::string q_conv = "CausalConv3d";               // or Conv2d
  std::string decoder_conv_in = "CausalConv3d";      // or Conv2d
  std::string decoder_conv_out = "CausalConv3d";     // or Conv2d
  std::string decoder_attention = "AttnBlock3D";     // or AttnBlock3DFix, AttnBlock
  std::string decoder_mid_resnet = "ResnetBlock3D";  // or ResnetBlock2D
  std::vector<std::string> decoder_resnet_blocks = {
      "ResnetBlock3D", "ResnetBlock3D", "ResnetBlock3D", "ResnetBlock3D"};
  std::vector<std::string> decoder_spatial_upsample = {
      "", "SpatialUpsample2x", "SpatialUpsample2x", "SpatialUpsample2x"};  // or Upsample
  std::vector<std::string> decoder_temporal_upsample = {
      "", "", "TimeUpsample2x", "TimeUpsample2x"};  // or TimeUpsampleRes2x

  // Of a config.json; fields that are not there keep the values above. Throws UserError for
  // what is wrong or not supported.
  static CausalVaeConfig FromJson(const JsonFields& fields);
  void Validate(const std::string& where) const;
  int64_t SpaceFactor() const;  // pixels per latent place along a side
  int64_t TimeFactor() const;   // frames per latent frame but the first
};

// Decoding in windows of time and overlapping tiles, which are blended. The defaults are those of
// the pipeline of Open-Sora-Plan 1.1; results depend on them.
struct CausalVaeTiling {
  bool enabled = true;
  double overlap_factor = 0.25;
  int64_t latent_size = 64;   // of a tile, latent places
  int64_t sample_size = 512;  // the same in pixels
  int64_t latent_frames = 8;  // of a window

  void Validate(const std::string& where) const;
};

// [begin, end) of the windows in time; all but the first begin with the last frame of the one
// before, and lose their first frame after decoding.
std::vector<std::pair<int64_t, int64_t>> TimeWindows(int64_t frames, int64_t window);
// Where tiles begin along a side.
std::vector<int64_t> TileOffsets(int64_t side, const CausalVaeTiling& tiling);

class CausalVae : public VideoDecoder {
 public:
  static constexpr double kScale = 0.18215;

  CausalVae(ParameterSource* source,
            const CausalVaeConfig& config,
            const CausalVaeTiling& tiling = {});

  // Divides by 0.18215; in tiles where the latent is larger than one.
  at::Tensor Decode(const at::Tensor& latent, int64_t num_frames) const override;
  FrameRounding rounding() const override { return FrameRounding::kTruncate; }

  // z [1, C, T, h, w], scaled back already -> [1, 3, T', H, W].
  at::Tensor DecodeWhole(const at::Tensor& z) const;
  at::Tensor DecodeTiled(const at::Tensor& z) const;

  // Parts of DecodeWhole, for tests.
  at::Tensor PostQuant(const at::Tensor& z) const { return post_quant_conv_(z); }
  at::Tensor Mid(const at::Tensor& z) const;  // after PostQuant

 private:
  struct Stage {
    std::vector<VideoResnet> resnets;
    std::vector<CausalAttention> attentions;  // none, or one per resnet
    std::optional<SpaceUpsample> space;
    std::optional<TimeUpsample> time;
  };
  at::Tensor DecodeWindow(const at::Tensor& z) const;

  CausalVaeConfig config_;
  CausalVaeTiling tiling_;
  VideoConv post_quant_conv_;
  VideoConv conv_in_;
  VideoResnet mid_1_, mid_2_;
  CausalAttention mid_attention_;
  std::vector<Stage> stages_;  // in order of execution
  GroupNorm norm_out_;
  VideoConv conv_out_;
};

}  // namespace teacache
