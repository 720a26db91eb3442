#include "runners/vae/blocks.h"

#include <ATen/Functions.h>

#include <vector>

namespace teacache {

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return at::group_norm(x, groups, weight, bias, eps);
}

GroupNorm MakeGroupNorm(ParameterSource* source,
                        const std::string& name,
                        int64_t channels,
                        int64_t groups,
                        double eps) {
  return {source->Get(name + ".weight", {channels}, Init::kOnes),
          source->Get(name + ".bias", {channels}, Init::kZeros),
          groups,
          eps};
}

at::Tensor Conv3d::operator()(const at::Tensor& x) const {
  const int64_t before = weight.size(2) - 1;
  const std::vector<int64_t> same = {padding == TimePadding::kZeros ? weight.size(2) / 2 : 0,
                                     weight.size(3) / 2,
                                     weight.size(4) / 2};
  at::Tensor padded = x;
  if (before > 0 && padding == TimePadding::kCausalZeros) {
    padded = at::constant_pad_nd(x, {0, 0, 0, 0, before, 0});
  } else if (before > 0 && padding == TimePadding::kCausalFirst) {
    padded = at::cat({x.narrow(2, 0, 1).expand({-1, -1, before, -1, -1}), x}, 2);
  }
  const auto bias_or_none = bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt;
  return at::conv3d(padded, weight, bias_or_none, {1, 1, 1}, same);
}

Conv3d MakeConv3d(ParameterSource* source,
                  const std::string& name,
                  int64_t in,
                  int64_t out,
                  std::array<int64_t, 3> kernel,
                  TimePadding padding,
                  bool with_bias) {
  return {source->Get(name + ".weight", {out, in, kernel[0], kernel[1], kernel[2]}, Init::kFanIn),
          with_bias ? source->Get(name + ".bias", {out}, Init::kZeros) : at::Tensor(),
          padding};
}

template <typename Conv>
at::Tensor Resnet<Conv>::operator()(const at::Tensor& x) const {
  const at::Tensor h = conv2(at::silu(norm2(conv1(at::silu(norm1(x))))));
  return (shortcut ? (*shortcut)(x) : x) + h;
}

template struct Resnet<Conv2d>;
template struct Resnet<Conv3d>;

Resnet<Conv2d> MakeResnet2d(ParameterSource* source,
                            const std::string& name,
                            int64_t in,
                            int64_t out,
                            int64_t groups,
                            const std::string& shortcut) {
  Resnet<Conv2d> block{MakeGroupNorm(source, name + ".norm1", in, groups),
                       MakeConv2d(source, name + ".conv1", in, out, 3, 1, Init::kFanIn),
                       MakeGroupNorm(source, name + ".norm2", out, groups),
                       MakeConv2d(source, name + ".conv2", out, out, 3, 1, Init::kFanIn),
                       std::nullopt};
  if (in != out) {
    block.shortcut = MakeConv2d(source, name + "." + shortcut, in, out, 1, 1, Init::kFanIn);
  }
  return block;
}

at::Tensor OneHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return Attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1), AttentionKernel::kFused)
      .squeeze(1);
}

at::Tensor PictureAttention::operator()(const at::Tensor& x) const {
  const at::Tensor places = norm(x).flatten(2).transpose(1, 2);  // [N, H W, C]
  const at::Tensor mixed = out(OneHeadAttention(q(places), k(places), v(places)));
  return x + mixed.transpose(1, 2).reshape(x.sizes());
}

PictureAttention MakePictureAttention(ParameterSource* source,
                                      const std::string& name,
                                      int64_t channels,
                                      int64_t groups) {
  const auto linear = [&](const std::string& part) {
    return MakeLinear(source, name + part, channels, channels);
  };
  return {MakeGroupNorm(source, name + ".group_norm", channels, groups),
          linear(".to_q"),
          linear(".to_k"),
          linear(".to_v"),
          linear(".to_out.0")};
}

at::Tensor UpsampleNearest2x(const at::Tensor& x) {
  return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

at::Tensor VideoToPictures(const at::Tensor& x) { return x.transpose(1, 2).flatten(0, 1); }

at::Tensor PicturesToVideo(const at::Tensor& x, int64_t frames) {
  return x.unflatten(0, {-1, frames}).transpose(1, 2);
}

}  // namespace teacache
