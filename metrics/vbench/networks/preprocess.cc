#include "metrics/vbench/networks/preprocess.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "datasets/base/error.h"
#include "metrics/vbench/frame_choice.h"
#include "metrics/vbench/networks/pil_resize.h"

namespace teacache {
namespace {

constexpr int64_t kSide = 224;
constexpr int64_t kImagingSide = 512;

constexpr std::array<std::pair<std::string_view, VbenchTransform>, 7> kNames = {{
    {"dino_float", VbenchTransform::kDinoFloat},
    {"clip_float", VbenchTransform::kClipFloat},
    {"clip_uint8", VbenchTransform::kClipUint8},
    {"clip_pil", VbenchTransform::kClipPil},
    {"dino_pil", VbenchTransform::kDinoPil},
    {"clip_antialias_float", VbenchTransform::kClipAntialiasFloat},
    {"imaging_longer", VbenchTransform::kImagingLonger},
}};

struct Size {
  int64_t height = 0;
  int64_t width = 0;
};

// int(224 long / short) is an integer division: both are positive.
Size ShorterTo224(int64_t height, int64_t width) {
  if (height <= width) return {kSide, kSide * width / height};
  return {kSide * height / width, kSide};
}

at::Tensor Channels(double a, double b, double c) {
  return at::tensor({static_cast<float>(a), static_cast<float>(b), static_cast<float>(c)})
      .view({1, 3, 1, 1});
}

// 0 ... 255 to the network's scale. Changes `x`.
at::Tensor Normalized(at::Tensor x, bool clip) {
  x.div_(255.0);
  if (clip) {
    return x.sub_(Channels(0.48145466, 0.4578275, 0.40821073))
        .div_(Channels(0.26862954, 0.26130258, 0.27577711));
  }
  return x.sub_(Channels(0.485, 0.456, 0.406)).div_(Channels(0.229, 0.224, 0.225));
}

at::Tensor CropMiddle(const at::Tensor& x) {
  const auto offset = [](int64_t size) {
    return RoundHalfEven(static_cast<double>(size - kSide) / 2);
  };
  return x.narrow(2, offset(x.size(2)), kSide).narrow(3, offset(x.size(3)), kSide).contiguous();
}

at::Tensor PilTensor(std::span<const Frame> frames, PilFilter filter) {
  const Size size = ShorterTo224(frames[0].height, frames[0].width);
  std::vector<Frame> resized;
  resized.reserve(frames.size());
  for (const Frame& frame : frames) {
    resized.push_back(
        PilResize(frame, static_cast<int>(size.width), static_cast<int>(size.height), filter));
  }
  return FramesToTensor(resized);
}

at::Tensor Imaging(const at::Tensor& x) {
  const int64_t height = x.size(2), width = x.size(3), longer = std::max(height, width);
  if (longer <= kImagingSide) return x.div(255.0);
  const double scale = static_cast<double>(kImagingSide) / static_cast<double>(longer);
  const auto scaled = [&](int64_t side) {
    return static_cast<int64_t>(scale * static_cast<double>(side));
  };
  return at::upsample_bilinear2d(x, {scaled(height), scaled(width)}, false).div(255.0);
}

}  // namespace

std::string_view VbenchTransformName(VbenchTransform transform) {
  for (const auto& [name, value] : kNames) {
    if (value == transform) return name;
  }
  return "";
}

VbenchTransform ParseVbenchTransform(const std::string& name) {
  std::string names;
  for (const auto& [known, value] : kNames) {
    if (known == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  ThrowUserError("transform", "must be one of {} but is \"{}\"", names, name);
}

at::Tensor FramesToTensor(std::span<const Frame> frames) {
  const int64_t height = frames[0].height, width = frames[0].width;
  at::Tensor bytes = at::empty({static_cast<int64_t>(frames.size()), height, width, 3}, at::kByte);
  auto* to = bytes.data_ptr<uint8_t>();
  for (const Frame& frame : frames) {
    if (frame.height != height || frame.width != width) {
      throw std::invalid_argument("FramesToTensor: frames must have one size");
    }
    std::memcpy(to, frame.rgb.data(), frame.rgb.size());
    to += frame.rgb.size();
  }
  return bytes.permute({0, 3, 1, 2}).contiguous().to(at::kFloat);
}

at::Tensor Preprocess(VbenchTransform transform, std::span<const Frame> frames) {
  if (transform == VbenchTransform::kClipPil) {
    return Normalized(CropMiddle(PilTensor(frames, PilFilter::kBicubic)), /*clip=*/true);
  }
  if (transform == VbenchTransform::kDinoPil) {
    return Normalized(PilTensor(frames, PilFilter::kBilinear), /*clip=*/false);
  }
  const at::Tensor x = FramesToTensor(frames);
  if (transform == VbenchTransform::kImagingLonger) return Imaging(x);
  const Size size = ShorterTo224(x.size(2), x.size(3));
  const std::array<int64_t, 2> sizes = {size.height, size.width};
  const bool same = size.height == x.size(2) && size.width == x.size(3);
  switch (transform) {
    case VbenchTransform::kDinoFloat:
      return Normalized(same ? x : at::upsample_bilinear2d(x, sizes, false), /*clip=*/false);
    case VbenchTransform::kClipAntialiasFloat:
      return Normalized(CropMiddle(same ? x : at::_upsample_bicubic2d_aa(x, sizes, false)),
                        /*clip=*/true);
    case VbenchTransform::kClipUint8:
      return Normalized(
          CropMiddle(same ? x : at::upsample_bicubic2d(x, sizes, false).clamp_(0, 255).round_()),
          /*clip=*/true);
    default:
      return Normalized(CropMiddle(same ? x : at::upsample_bicubic2d(x, sizes, false)),
                        /*clip=*/true);
  }
}

}  // namespace teacache
