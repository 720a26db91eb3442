#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "runners/nn/parameters.h"
#include "runners/vae/blocks.h"

namespace teacache {

// The blocks of Open-Sora-Plan 1.1's autoencoder (causal_vae.h) by the names that its configs use.
// x: [B, C, T, H, W]. Norms have 32 groups, eps 1e-6. Make... throw UserError for other names.

struct CausalAttention {
  enum class Kind {
    kFrames,     // AttnBlock3DFix: each frame for itself
    kReshaped,   // AttnBlock3D: [B, C, T, H W] read as [B T, C, H W] without moving T, as trained
    kNormedPer,  // AttnBlock: each frame for itself, its norm too
  };
  Kind kind = Kind::kFrames;
  GroupNorm norm;
  Linear q, k, v, out;

  at::Tensor operator()(const at::Tensor& x) const;
};
CausalAttention MakeCausalAttention(ParameterSource* source,
                                    const std::string& name,
                                    const std::string& kind,
                                    int64_t channels);

// CausalConv3d, or Conv2d picture by picture.
struct VideoConv {
  std::optional<Conv3d> causal;
  std::optional<Conv2d> picture;

  at::Tensor operator()(const at::Tensor& x) const;
};
VideoConv MakeVideoConv(ParameterSource* source,
                        const std::string& name,
                        const std::string& kind,
                        int64_t in,
                        int64_t out,
                        int64_t kernel);

// ResnetBlock3D, or ResnetBlock2D picture by picture.
struct VideoResnet {
  std::optional<Resnet<Conv3d>> causal;
  std::optional<Resnet<Conv2d>> picture;

  at::Tensor operator()(const at::Tensor& x) const;
};
VideoResnet MakeVideoResnet(ParameterSource* source,
                            const std::string& name,
                            const std::string& kind,
                            int64_t in,
                            int64_t out);

// SpatialUpsample2x or Upsample: every pixel twice, then a convolution over the picture.
struct SpaceUpsample {
  VideoConv conv;

  at::Tensor operator()(const at::Tensor& x) const;
};
SpaceUpsample MakeSpaceUpsample(ParameterSource* source,
                                const std::string& name,
                                const std::string& kind,
                                int64_t channels);

// TimeUpsample2x: all frames but the first become two by linear interpolation. TimeUpsampleRes2x
// mixes that with its own convolution: a u + (1 - a) conv(u), a = sigmoid(mix_factor).
struct TimeUpsample {
  std::optional<Conv3d> conv;
  at::Tensor mix_factor;  // [1]; with `conv`

  at::Tensor operator()(const at::Tensor& x) const;
};
TimeUpsample MakeTimeUpsample(ParameterSource* source,
                              const std::string& name,
                              const std::string& kind,
                              int64_t channels);

}  // namespace teacache
