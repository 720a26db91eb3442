#include "runners/models/shapes_autoencoder.h"

#include <ATen/Functions.h>

namespace teacache {
namespace {

ConvResidual MakeConvResidual(ParameterSource* source, const std::string& name, int64_t channels) {
  return {MakeConv2d(source, name + ".conv1", channels, channels, 3, 1, Init::kFanIn),
          MakeConv2d(source, name + ".conv2", channels, channels, 3, 1, Init::kZeros)};
}

at::Tensor Apply(const std::vector<ConvResidual>& blocks, at::Tensor x) {
  for (const ConvResidual& block : blocks) x = block(x);
  return x;
}

at::Tensor PerChannel(const at::Tensor& values) { return values.view({1, -1, 1, 1}); }

}  // namespace

at::Tensor ConvResidual::operator()(const at::Tensor& x) const {
  return x + conv2(at::silu(conv1(at::silu(x))));
}

FrameAutoencoder::FrameAutoencoder(ParameterSource* source, const ShapesAutoencoderConfig& config) {
  const auto [a, b, c] = config.widths;
  const int64_t latent = config.latent_channels;
  const auto conv = [&](const std::string& name, int64_t in, int64_t out, int64_t stride = 1) {
    return MakeConv2d(source, "frame." + name, in, out, 3, stride, Init::kFanIn);
  };
  in_ = conv("encoder.in", 3 * 16, b);
  encode1_ = MakeConvResidual(source, "frame.encoder.block1", b);
  down_ = conv("encoder.down", b, c, 2);
  encode2_ = MakeConvResidual(source, "frame.encoder.block2", c);
  bottleneck_ = conv("encoder.out", c, latent);
  up0_ = conv("decoder.in", latent, c);
  decode0_ = {MakeConvResidual(source, "frame.decoder.block0", c),
              MakeConvResidual(source, "frame.decoder.block1", c)};
  up1_ = conv("decoder.up1", c, 4 * b);
  decode1_ = {MakeConvResidual(source, "frame.decoder.block2", b),
              MakeConvResidual(source, "frame.decoder.block3", b)};
  up2_ = conv("decoder.up2", b, 4 * a);
  decode2_ = {MakeConvResidual(source, "frame.decoder.block4", a)};
  up3_ = conv("decoder.up3", a, 4 * 12);
  out_ = conv("decoder.out", 12, 3);
  mean_ = source->Get("frame.mean", {latent}, Init::kZeros);
  std_ = source->Get("frame.std", {latent}, Init::kOnes);
}

at::Tensor FrameAutoencoder::EncodeRaw(const at::Tensor& frames) const {
  const at::Tensor x = encode1_(in_(at::pixel_unshuffle(frames, 4)));
  return bottleneck_(at::silu(encode2_(down_(x)))).to(at::kFloat);
}

at::Tensor FrameAutoencoder::Encode(const at::Tensor& frames) const {
  return (EncodeRaw(frames) - PerChannel(mean_)) / PerChannel(std_);
}

at::Tensor FrameAutoencoder::Decode(const at::Tensor& latents) const {
  at::Tensor x = Apply(decode0_, up0_(latents));
  x = Apply(decode1_, at::pixel_shuffle(up1_(at::silu(x)), 2));
  x = Apply(decode2_, at::pixel_shuffle(up2_(at::silu(x)), 2));
  x = at::pixel_shuffle(up3_(at::silu(x)), 2);
  return out_(at::silu(x)).to(at::kFloat);
}

at::Tensor FrameCoder::Residual::operator()(const at::Tensor& x) const {
  return x + fc2(at::silu(fc1(at::silu(x))));
}

FrameCoder::FrameCoder(ParameterSource* source, const ShapesAutoencoderConfig& config) {
  const int64_t width = config.code_width;
  const auto linear = [&](const std::string& name, int64_t in, int64_t out) {
    return MakeLinear(source, "code." + name, in, out, Init::kFanIn);
  };
  const auto blocks = [&](const std::string& name, int64_t count) {
    std::vector<Residual> result;
    for (int64_t i = 0; i < count; ++i) {
      const std::string block = name + ".block" + std::to_string(i);
      result.push_back({linear(block + ".fc1", width, width),
                        MakeLinear(source, "code." + block + ".fc2", width, width, Init::kZeros)});
    }
    return result;
  };
  encode_in_ = linear("encoder.in", config.LatentSize(), width);
  encode_ = blocks("encoder", config.code_encoder_blocks);
  encode_out_ = linear("encoder.out", width, config.code_size);
  decode_in_ = linear("decoder.in", config.code_size, width);
  decode_ = blocks("decoder", config.code_decoder_blocks);
  decode_out_ = linear("decoder.out", width, config.LatentSize());
  mean_ = source->Get("code.mean", {config.code_size}, Init::kZeros);
  std_ = source->Get("code.std", {config.code_size}, Init::kOnes);
}

at::Tensor FrameCoder::EncodeRaw(const at::Tensor& latents) const {
  at::Tensor x = encode_in_(latents);
  for (const Residual& block : encode_) x = block(x);
  return encode_out_(at::silu(x)).to(at::kFloat);
}

at::Tensor FrameCoder::Encode(const at::Tensor& latents) const {
  return (EncodeRaw(latents) - mean_) / std_;
}

at::Tensor FrameCoder::Decode(const at::Tensor& codes) const {
  at::Tensor x = decode_in_(codes);
  for (const Residual& block : decode_) x = block(x);
  return decode_out_(at::silu(x)).to(at::kFloat);
}

ShapesAutoencoder::ShapesAutoencoder(ParameterSource* source, const ShapesAutoencoderConfig& config)
    : frames_(source, config), coder_(source, config) {}

at::Tensor ShapesAutoencoder::EncodeFrames(const at::Tensor& frames) const {
  return coder_.Encode(frames_.Encode(frames).flatten(1));
}

at::Tensor ShapesAutoencoder::DecodeFrames(const at::Tensor& codes) const {
  return frames_.Decode(coder_.Decode(codes).view({codes.size(0), -1, 8, 8}));
}

at::Tensor ShapesAutoencoder::DecodeVideo(const at::Tensor& z) const {
  const int64_t batch = z.size(0);
  const int64_t frames = z.size(2);
  const at::Tensor codes = z.permute({0, 2, 1, 3, 4}).reshape({batch * frames, -1});
  return DecodeFrames(codes).view({batch, frames, 3, 64, 64});
}

}  // namespace teacache
