#include "runners/vae/causal_blocks.h"

#include <ATen/Functions.h>

#include "datasets/base/error.h"

namespace teacache {
namespace {

// Convolutions have a module of their own around them, hence ".conv".
Conv3d MakeCausal(ParameterSource* source,
                  const std::string& name,
                  int64_t in,
                  int64_t out,
                  std::array<int64_t, 3> kernel) {
  return MakeConv3d(source, name + ".conv", in, out, kernel, TimePadding::kCausalFirst);
}

Conv2d MakePicture(
    ParameterSource* source, const std::string& name, int64_t in, int64_t out, int64_t kernel) {
  return MakeConv2d(source, name, in, out, kernel, 1, Init::kFanIn);
}

[[noreturn]] void Unknown(const std::string& name, const std::string& kind, const char* known) {
  ThrowUserError(name, "its kind must be one of {} but is '{}'", known, kind);
}

template <typename Function>
at::Tensor ByPicture(const at::Tensor& x, const Function& function) {
  return PicturesToVideo(function(VideoToPictures(x)), x.size(2));
}

// Channels are mixed place by place: a convolution of kernel 1 is a linear layer.
Linear MakePointwise(ParameterSource* source,
                     const std::string& name,
                     int64_t channels,
                     const std::vector<int64_t>& kernel) {
  std::vector<int64_t> shape = {channels, channels};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  return {source->Get(name + ".weight", shape).flatten(1),
          source->Get(name + ".bias", {channels}, Init::kZeros)};
}

}  // namespace

at::Tensor VideoConv::operator()(const at::Tensor& x) const {
  return causal ? (*causal)(x) : ByPicture(x, *picture);
}

VideoConv MakeVideoConv(ParameterSource* source,
                        const std::string& name,
                        const std::string& kind,
                        int64_t in,
                        int64_t out,
                        int64_t kernel) {
  if (kind == "CausalConv3d") {
    return {MakeCausal(source, name, in, out, {kernel, kernel, kernel}), std::nullopt};
  }
  if (kind == "Conv2d") return {std::nullopt, MakePicture(source, name, in, out, kernel)};
  Unknown(name, kind, "CausalConv3d, Conv2d");
}

at::Tensor VideoResnet::operator()(const at::Tensor& x) const {
  return causal ? (*causal)(x) : ByPicture(x, *picture);
}

VideoResnet MakeVideoResnet(ParameterSource* source,
                            const std::string& name,
                            const std::string& kind,
                            int64_t in,
                            int64_t out) {
  if (kind == "ResnetBlock2D") {
    return {std::nullopt, MakeResnet2d(source, name, in, out, 32, "nin_shortcut")};
  }
  if (kind != "ResnetBlock3D") Unknown(name, kind, "ResnetBlock3D, ResnetBlock2D");
  Resnet<Conv3d> block{MakeGroupNorm(source, name + ".norm1", in),
                       MakeCausal(source, name + ".conv1", in, out, {3, 3, 3}),
                       MakeGroupNorm(source, name + ".norm2", out),
                       MakeCausal(source, name + ".conv2", out, out, {3, 3, 3}),
                       std::nullopt};
  if (in != out) block.shortcut = MakeCausal(source, name + ".nin_shortcut", in, out, {1, 1, 1});
  return {std::move(block), std::nullopt};
}

at::Tensor CausalAttention::operator()(const at::Tensor& x) const {
  const int64_t batch = x.size(0), channels = x.size(1), frames = x.size(2);
  const at::Tensor normed =
      kind == Kind::kNormedPer ? ByPicture(x, norm) : norm(x);  // [B, C, T, H, W]
  const at::Tensor places = normed.flatten(2).transpose(1, 2);  // [B, T H W, C]
  // [B, T H W, C] -> rows of one attention each: [B T, H W, C].
  const auto rows = [&](const at::Tensor& y) {
    if (kind != Kind::kReshaped) return y.reshape({batch * frames, -1, channels});
    return y.transpose(1, 2).reshape({batch * frames, channels, -1}).transpose(1, 2);
  };
  at::Tensor mixed = OneHeadAttention(rows(q(places)), rows(k(places)), rows(v(places)));
  if (kind == Kind::kReshaped) {
    mixed = mixed.transpose(1, 2).reshape({batch, channels, -1}).transpose(1, 2);
  } else {
    mixed = mixed.reshape({batch, -1, channels});
  }
  return x + out(mixed).transpose(1, 2).reshape(x.sizes());
}

CausalAttention MakeCausalAttention(ParameterSource* source,
                                    const std::string& name,
                                    const std::string& kind,
                                    int64_t channels) {
  CausalAttention block;
  const bool pictures = kind == "AttnBlock";
  if (pictures) {
    block.kind = CausalAttention::Kind::kNormedPer;
  } else if (kind == "AttnBlock3DFix") {
    block.kind = CausalAttention::Kind::kFrames;
  } else if (kind == "AttnBlock3D") {
    block.kind = CausalAttention::Kind::kReshaped;
  } else {
    Unknown(name, kind, "AttnBlock3D, AttnBlock3DFix, AttnBlock");
  }
  const auto pointwise = [&](const std::string& part) {
    return pictures ? MakePointwise(source, name + part, channels, {1, 1})
                    : MakePointwise(source, name + part + ".conv", channels, {1, 1, 1});
  };
  block.norm = MakeGroupNorm(source, name + ".norm", channels);
  block.q = pointwise(".q");
  block.k = pointwise(".k");
  block.v = pointwise(".v");
  block.out = pointwise(".proj_out");
  return block;
}

at::Tensor SpaceUpsample::operator()(const at::Tensor& x) const {
  return conv(ByPicture(x, UpsampleNearest2x));
}

SpaceUpsample MakeSpaceUpsample(ParameterSource* source,
                                const std::string& name,
                                const std::string& kind,
                                int64_t channels) {
  if (kind == "SpatialUpsample2x") {
    return {{MakeCausal(source, name + ".conv", channels, channels, {1, 3, 3}), std::nullopt}};
  }
  if (kind == "Upsample") {
    return {{std::nullopt, MakePicture(source, name + ".conv", channels, channels, 3)}};
  }
  Unknown(name, kind, "SpatialUpsample2x, Upsample");
}

at::Tensor TimeUpsample::operator()(const at::Tensor& x) const {
  at::Tensor y = x;
  if (x.size(2) > 1) {
    const at::Tensor rest = x.slice(2, 1);
    const at::Tensor twice = at::upsample_trilinear3d(rest,
                                                      {2 * rest.size(2), x.size(3), x.size(4)},
                                                      /*align_corners=*/false,
                                                      /*scales_d=*/2.0,
                                                      /*scales_h=*/1.0,
                                                      /*scales_w=*/1.0);
    y = at::cat({x.narrow(2, 0, 1), twice}, 2);
  }
  if (!conv) return y;
  const at::Tensor a = mix_factor.sigmoid();
  return a * y + (1 - a) * (*conv)(y);
}

TimeUpsample MakeTimeUpsample(ParameterSource* source,
                              const std::string& name,
                              const std::string& kind,
                              int64_t channels) {
  if (kind == "TimeUpsample2x") return {};
  if (kind == "TimeUpsampleRes2x") {
    return {MakeCausal(source, name + ".conv", channels, channels, {3, 3, 3}),
            source->Get(name + ".mix_factor", {1}, Init::kOnes)};
  }
  Unknown(name, kind, "TimeUpsample2x, TimeUpsampleRes2x");
}

}  // namespace teacache
