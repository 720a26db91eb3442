#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "runners/nn/layers.h"
#include "runners/nn/parameters.h"

namespace teacache {

// What the autoencoders are made of. Pictures are [N, C, H, W], videos [B, C, T, H, W].

struct GroupNorm {
  at::Tensor weight;  // [C]
  at::Tensor bias;    // [C]
  int64_t groups = 32;
  double eps = 1e-6;

  at::Tensor operator()(const at::Tensor& x) const;
};
GroupNorm MakeGroupNorm(ParameterSource* source,
                        const std::string& name,
                        int64_t channels,
                        int64_t groups = 32,
                        double eps = 1e-6);

// What a 3-D convolution of kernel k sees beyond the video's ends in time. Rows and columns are
// padded with zeros, k / 2 on both sides.
enum class TimePadding {
  kZeros,        // k / 2 zero frames at both ends
  kCausalZeros,  // k - 1 zero frames in front
  kCausalFirst,  // the first frame again, k - 1 times in front
};

struct Conv3d {
  at::Tensor weight;  // [out, in, kt, kh, kw]
  at::Tensor bias;    // [out] or undefined
  TimePadding padding = TimePadding::kZeros;

  at::Tensor operator()(const at::Tensor& x) const;
};
Conv3d MakeConv3d(ParameterSource* source,
                  const std::string& name,
                  int64_t in,
                  int64_t out,
                  std::array<int64_t, 3> kernel,
                  TimePadding padding,
                  bool with_bias = true);

// x + conv2(silu(norm2(conv1(silu(norm1(x)))))), x through `shortcut` where the widths differ.
template <typename Conv>
struct Resnet {
  GroupNorm norm1;
  Conv conv1;
  GroupNorm norm2;
  Conv conv2;
  std::optional<Conv> shortcut;

  at::Tensor operator()(const at::Tensor& x) const;
};

// diffusers' ResnetBlock2D: {norm1, conv1, norm2, conv2, conv_shortcut}.
Resnet<Conv2d> MakeResnet2d(ParameterSource* source,
                            const std::string& name,
                            int64_t in,
                            int64_t out,
                            int64_t groups,
                            const std::string& shortcut = "conv_shortcut");

// Attention of one head over the places of each picture, as diffusers' Attention of a VAE:
// {group_norm, to_q, to_k, to_v, to_out.0}, x + out(softmax(q k^T / sqrt(C)) v).
struct PictureAttention {
  GroupNorm norm;
  Linear q, k, v, out;

  at::Tensor operator()(const at::Tensor& x) const;  // [N, C, H, W]
};
PictureAttention MakePictureAttention(ParameterSource* source,
                                      const std::string& name,
                                      int64_t channels,
                                      int64_t groups);

// softmax(q k^T / sqrt(C)) v over the last-but-one dimension: [N, L, C] each.
at::Tensor OneHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// Every pixel twice in both directions: [N, C, H, W] -> [N, C, 2 H, 2 W].
at::Tensor UpsampleNearest2x(const at::Tensor& x);

// [B, C, T, H, W] <-> [B T, C, H, W].
at::Tensor VideoToPictures(const at::Tensor& x);
at::Tensor PicturesToVideo(const at::Tensor& x, int64_t frames);

}  // namespace teacache
