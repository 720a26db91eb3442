#include "datasets/video/eight_bits.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace teacache {
namespace {

constexpr int kMaxDepth = 16;
constexpr uint8_t kNoChroma = 128;

bool IsRgb(const AVPixFmtDescriptor& format) { return (format.flags & AV_PIX_FMT_FLAG_RGB) != 0; }

bool HasAlpha(const AVPixFmtDescriptor& format) {
  return (format.flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
}

bool IsGrey(const AVPixFmtDescriptor& format) {
  return !IsRgb(format) && format.nb_components - (HasAlpha(format) ? 1 : 0) == 1;
}

// Formats whose samples av_read_image_line2 gives as integers.
bool IsReadable(const AVPixFmtDescriptor& format, int pixels) {
  constexpr uint64_t kOthers = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM |
                               AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER |
                               AV_PIX_FMT_FLAG_FLOAT;
  return (format.flags & kOthers) == 0 && format.comp[0].depth <= kMaxDepth &&
         pixels != AV_PIX_FMT_XYZ12LE && pixels != AV_PIX_FMT_XYZ12BE;
}

// The 8-bit planar format of a subsampling; NONE where libav has no such format.
AVPixelFormat PlanarFormat(const AVPixFmtDescriptor& format) {
  switch (format.log2_chroma_w * 10 + format.log2_chroma_h) {
    case 0:
      return AV_PIX_FMT_YUV444P;
    case 1:
      return AV_PIX_FMT_YUV440P;
    case 10:
      return AV_PIX_FMT_YUV422P;
    case 11:
      return AV_PIX_FMT_YUV420P;
    case 20:
      return AV_PIX_FMT_YUV411P;
    case 22:
      return AV_PIX_FMT_YUV410P;
    default:
      return AV_PIX_FMT_NONE;
  }
}

AVPixelFormat Target(const AVFrame& picture, bool limited) {
  const auto pixels = static_cast<AVPixelFormat>(picture.format);
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(pixels);
  if (format == nullptr || !IsReadable(*format, pixels)) return AV_PIX_FMT_NONE;
  const bool deep = format->comp[0].depth > 8;
  if (IsGrey(*format)) {
    if (limited) return AV_PIX_FMT_YUV420P;
    return deep ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_NONE;
  }
  if (IsRgb(*format)) return deep ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_NONE;
  const bool planar = av_pix_fmt_count_planes(pixels) >= 3;
  return deep || !planar ? PlanarFormat(*format) : AV_PIX_FMT_NONE;
}

// Samples of `depth` bits to 8.
class Rounding {
 public:
  Rounding(int depth, bool full, bool chroma)
      : full_(full), most_((1 << depth) - 1), shift_(depth - 8), middle_(chroma ? 128 : 0) {}

  uint8_t operator()(int value) const {
    if (shift_ <= 0) return static_cast<uint8_t>(value);
    int rounded = 0;
    if (full_) {
      const int64_t scaled = int64_t{value - (middle_ << shift_)} * 255;
      rounded =
          static_cast<int>((2 * scaled + (scaled < 0 ? -most_ : most_)) / (2 * most_)) + middle_;
    } else {
      rounded = (value + (1 << shift_ >> 1)) >> shift_;
    }
    return static_cast<uint8_t>(std::clamp(rounded, 0, 255));
  }

 private:
  bool full_;
  int64_t most_;
  int shift_;
  int middle_;
};

std::span<const uint16_t> ReadLine(
    const AVFrame& picture, int component, int y, int width, std::vector<uint16_t>* line) {
  line->resize(static_cast<size_t>(width));
  av_read_image_line2(line->data(),
                      const_cast<const uint8_t**>(picture.data),
                      picture.linesize,
                      av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format)),
                      0,
                      y,
                      component,
                      width,
                      /*read_pal_component=*/0,
                      sizeof(uint16_t));
  return *line;
}

uint8_t* Row(const AVFrame& picture, int plane, int y) {
  return picture.data[plane] + static_cast<ptrdiff_t>(y) * picture.linesize[plane];
}

int HalfUp(int size, int log2) { return -(-size >> log2); }

}  // namespace

const AVFrame& EightBits::Of(const AVFrame& picture, bool limited_grey) {
  const bool limited = picture.color_range == AVCOL_RANGE_MPEG ||
                       (picture.color_range == AVCOL_RANGE_UNSPECIFIED && limited_grey);
  const AVPixelFormat target = Target(picture, limited);
  if (target == AV_PIX_FMT_NONE) return picture;
  if (!small_ || small_->width != picture.width || small_->height != picture.height ||
      small_->format != target) {
    small_ = NewPicture(picture.width, picture.height, target);
  }
  const AVPixFmtDescriptor& from = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(picture.format));
  const AVPixFmtDescriptor& to = *av_pix_fmt_desc_get(target);
  const bool rgb = IsRgb(from), grey = IsGrey(from);
  const bool full = rgb || picture.color_range == AVCOL_RANGE_JPEG || (grey && !limited);
  small_->colorspace = picture.colorspace;
  small_->color_range = grey && limited ? AVCOL_RANGE_MPEG : picture.color_range;
  std::vector<uint16_t> line;
  for (int c = 0; c < to.nb_components; ++c) {
    const bool chroma = !rgb && c > 0;
    const int width = chroma ? HalfUp(picture.width, to.log2_chroma_w) : picture.width;
    const int height = chroma ? HalfUp(picture.height, to.log2_chroma_h) : picture.height;
    const Rounding round(from.comp[grey ? 0 : c].depth, full, chroma);
    const AVComponentDescriptor& place = to.comp[c];
    for (int y = 0; y < height; ++y) {
      uint8_t* out = Row(*small_, place.plane, y) + place.offset;
      if (grey && c > 0) {
        std::memset(out, kNoChroma, static_cast<size_t>(width));
        continue;
      }
      for (const uint16_t value : ReadLine(picture, c, y, width, &line)) {
        *out = round(value);
        out += place.step;
      }
    }
  }
  return *small_;
}

bool HasTransparentPixels(const AVFrame& picture) {
  const auto pixels = static_cast<AVPixelFormat>(picture.format);
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(pixels);
  if (format == nullptr || !HasAlpha(*format)) return false;
  if (pixels == AV_PIX_FMT_PAL8) {
    const auto* palette = reinterpret_cast<const uint32_t*>(picture.data[1]);  // 0xAARRGGBB
    for (int y = 0; y < picture.height; ++y) {
      const uint8_t* row = Row(picture, 0, y);
      const auto clear = [&](uint8_t index) { return palette[index] >> 24 != 255; };
      if (std::any_of(row, row + picture.width, clear)) return true;
    }
    return false;
  }
  if (!IsReadable(*format, pixels)) return true;  // floats: not looked at
  const int alpha = format->nb_components - 1;
  const int opaque = (1 << format->comp[alpha].depth) - 1;
  std::vector<uint16_t> line;
  for (int y = 0; y < picture.height; ++y) {
    const auto values = ReadLine(picture, alpha, y, picture.width, &line);
    if (std::any_of(values.begin(), values.end(), [&](int v) { return v != opaque; })) return true;
  }
  return false;
}

}  // namespace teacache
