#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/base/json_fields.h"
#include "runners/nn/parameters.h"
#include "runners/vae/autoencoder_kl.h"
#include "runners/vae/blocks.h"
#include "runners/vae/video_decoder.h"

namespace teacache {

// The decoder of Open-Sora 1.2's autoencoder (reference: VideoAutoencoderPipeline in videosys'
// autoencoder_kl_open_sora.py, ali-vilab/TeaCache): a causal one over time, which makes 17 latent
// pictures of 5, then AutoencoderKl over each picture, four at a time.
//
//   z * scale + shift; chunks of 5 latent frames -> at most 17 pictures each; / 0.18215; pictures

struct OpenSoraTemporalConfig {
  int64_t in_out_channels = 4;
  int64_t latent_embed_dim = 4;
  int64_t embed_dim = 4;
  int64_t filters = 128;
  int64_t num_res_blocks = 4;
  std::vector<int64_t> channel_multipliers = {1, 2, 2, 4};
  std::vector<bool> temporal_downsample = {false, true, true};  // one fewer than multipliers
  int64_t num_groups = 32;

  // Frames that one latent frame stands for.
  int64_t TimeFactor() const;
};

struct OpenSoraVaeConfig {
  AutoencoderKlConfig spatial;
  OpenSoraTemporalConfig temporal;
  int64_t micro_frame_size = 17;  // frames decoded at a time by the temporal half
  int64_t micro_batch_size = 4;   // pictures decoded at a time by the spatial half

  // Of OpenSora-VAE-v1.2's config.json. The published file has no widths: those are the defaults;
  // "vae_2d" and "vae_temporal" may name others. Throws UserError beginning with `where`.
  static OpenSoraVaeConfig FromJson(const JsonFields& fields);
  void Validate(const std::string& where) const;

  // Latent frames of a video.
  int64_t LatentFrames(int64_t num_frames) const;
};

// The half over time: [B, C, T, h, w] -> [B, C, 4 T, h, w], less the padding in front.
class OpenSoraTemporalDecoder {
 public:
  OpenSoraTemporalDecoder() = default;
  OpenSoraTemporalDecoder(ParameterSource* source, const OpenSoraTemporalConfig& config);

  // `num_frames` that the chunk stands for: what padding it to whole latent frames put in front is
  // cut off.
  at::Tensor operator()(const at::Tensor& z, int64_t num_frames) const;

  const Resnet<Conv3d>& res_block(size_t i) const { return res_blocks_.at(i); }  // for tests

 private:
  struct Stage {
    std::vector<Resnet<Conv3d>> resnets;
    std::optional<Conv3d> upsample;  // twice the frames
  };

  int64_t time_factor_ = 4;
  Conv3d post_quant_conv_;
  Conv3d conv_in_;
  std::vector<Resnet<Conv3d>> res_blocks_;
  std::vector<Stage> stages_;  // in order of execution
  GroupNorm norm_out_;
  Conv3d conv_out_;
};

class OpenSoraVae : public VideoDecoder {
 public:
  OpenSoraVae(ParameterSource* source, const OpenSoraVaeConfig& config);

  at::Tensor Decode(const at::Tensor& latent, int64_t num_frames) const override;
  FrameRounding rounding() const override { return FrameRounding::kNearest; }

  // The pictures' latents, before the division by 0.18215: [1, C, num_frames, h, w].
  at::Tensor DecodeTime(const at::Tensor& latent, int64_t num_frames) const;

  const OpenSoraTemporalDecoder& temporal() const { return temporal_; }  // for tests
  const AutoencoderKl& spatial() const { return spatial_; }

 private:
  OpenSoraVaeConfig config_;
  AutoencoderKl spatial_;
  OpenSoraTemporalDecoder temporal_;
  at::Tensor scale_;  // [1, C, 1, 1, 1]
  at::Tensor shift_;
};

}  // namespace teacache
