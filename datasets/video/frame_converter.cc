#include "datasets/video/frame_converter.h"

extern "C" {
#include <libavutil/display.h>
}

#include <algorithm>
#include <cmath>
#include <cstring>

#include "datasets/base/error.h"

namespace teacache {
namespace {

constexpr int kRgbBytes = 3;
// In 1/256 of a luma row: chroma of 4:2:0 lies between two rows, as MPEG-2 has it.
constexpr int kChromaBetweenRows = 128;

struct SwsSpec {
  int src_width, src_height, src_format;
  int dst_width, dst_height, dst_format;
  AVColorSpace matrix;  // of the YUV side
  AVColorRange range;   // of the source
};

// Only the tags that swscale has coefficients for; all others mean BT.601, as in ffmpeg.
const int* Coefficients(AVColorSpace matrix) {
  const bool known = matrix >= AVCOL_SPC_BT709 && matrix <= AVCOL_SPC_BT2020_CL &&
                     matrix != AVCOL_SPC_YCGCO && matrix != AVCOL_SPC_UNSPECIFIED;
  return sws_getCoefficients(known ? matrix : AVCOL_SPC_BT470BG);
}

Sws MakeSws(const std::string& where, const SwsSpec& spec) {
  Sws sws(sws_alloc_context());
  if (!sws) {
    throw std::bad_alloc();
  }
  const auto set = [&](const char* name, int64_t value) {
    av_opt_set_int(sws.get(), name, value, 0);
  };
  set("srcw", spec.src_width);
  set("srch", spec.src_height);
  set("src_format", spec.src_format);
  set("dstw", spec.dst_width);
  set("dsth", spec.dst_height);
  set("dst_format", spec.dst_format);
  set("sws_flags", SWS_BICUBIC);
  if (spec.range != AVCOL_RANGE_UNSPECIFIED) {
    set("src_range", spec.range == AVCOL_RANGE_JPEG ? 1 : 0);
  }
  if (spec.src_format == AV_PIX_FMT_YUV420P) {
    set("src_v_chr_pos", kChromaBetweenRows);
  }
  if (spec.dst_format == AV_PIX_FMT_YUV420P) {
    set("dst_v_chr_pos", kChromaBetweenRows);
  }
  const int result = sws_init_context(sws.get(), nullptr, nullptr);
  if (result < 0) {
    const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(spec.src_format));
    ThrowUserError(where,
                   "pixel format {} of {}x{} cannot be converted: {}",
                   name == nullptr ? "unknown" : name,
                   spec.src_width,
                   spec.src_height,
                   LibavError(result));
  }
  int *old_inverse = nullptr, *old_table = nullptr;
  int source_full = 0, target_full = 0, brightness = 0, contrast = 0, saturation = 0;
  if (sws_getColorspaceDetails(sws.get(),
                               &old_inverse,
                               &source_full,
                               &old_table,
                               &target_full,
                               &brightness,
                               &contrast,
                               &saturation) >= 0) {
    if (spec.range != AVCOL_RANGE_UNSPECIFIED) {
      source_full = spec.range == AVCOL_RANGE_JPEG ? 1 : 0;
    }
    const int* table = Coefficients(spec.matrix);
    sws_setColorspaceDetails(
        sws.get(), table, source_full, table, target_full, brightness, contrast, saturation);
  }
  return sws;
}

template <typename Source>
Frame Rearranged(int width, int height, const Frame& frame, Source source) {
  Frame out{width, height, std::vector<uint8_t>(frame.rgb.size())};
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, to += kRgbBytes) {
      const auto [from_x, from_y] = source(x, y);
      const size_t at = (static_cast<size_t>(from_y) * static_cast<size_t>(frame.width) +
                         static_cast<size_t>(from_x)) *
                        kRgbBytes;
      std::copy_n(&frame.rgb[at], kRgbBytes, to);
    }
  }
  return out;
}

}  // namespace

Orientation ReadOrientation(const std::string& where, const int32_t* matrix) {
  if (matrix == nullptr) {
    return {};
  }
  double angle = -std::round(av_display_rotation_get(matrix));
  if (std::isnan(angle)) {
    return {};
  }
  angle -= 360 * std::floor(angle / 360 + 0.9 / 360);  // [0, 360), clockwise
  using Turn = Orientation::Turn;
  Orientation result;
  if (std::abs(angle - 90) < 1) {
    result.flip_vertical = matrix[3] > 0;  // mirrored: the other turn, then upside down
    result.turn = result.flip_vertical ? Turn::kCounterClockwise : Turn::kClockwise;
  } else if (std::abs(angle - 180) < 1) {
    result.flip_horizontal = matrix[0] < 0;
    result.flip_vertical = matrix[4] < 0;
  } else if (std::abs(angle - 270) < 1) {
    result.flip_vertical = matrix[3] < 0;
    result.turn = result.flip_vertical ? Turn::kClockwise : Turn::kCounterClockwise;
  } else if (std::abs(angle) < 1) {
    result.flip_vertical = matrix[4] < 0;
  } else {
    ThrowUserError(where, "must be turned by a multiple of 90 degrees but is by {}", angle);
  }
  return result;
}

Frame Orient(Frame frame, const Orientation& orientation) {
  using Turn = Orientation::Turn;
  const int width = frame.width, height = frame.height;
  if (orientation.turn == Turn::kClockwise) {
    frame = Rearranged(
        height, width, frame, [&](int x, int y) { return std::pair(y, height - 1 - x); });
  } else if (orientation.turn == Turn::kCounterClockwise) {
    frame =
        Rearranged(height, width, frame, [&](int x, int y) { return std::pair(width - 1 - y, x); });
  }
  if (orientation.flip_horizontal || orientation.flip_vertical) {
    const int w = frame.width, h = frame.height;
    frame = Rearranged(w, h, frame, [&](int x, int y) {
      return std::pair(orientation.flip_horizontal ? w - 1 - x : x,
                       orientation.flip_vertical ? h - 1 - y : y);
    });
  }
  return frame;
}

Frame FrameConverter::ToRgb(const std::string& where, const AVFrame& picture) {
  const Format format{
      picture.width, picture.height, picture.format, picture.colorspace, picture.color_range};
  if (!sws_ || format != format_) {
    sws_ = MakeSws(where,
                   {picture.width,
                    picture.height,
                    picture.format,
                    picture.width,
                    picture.height,
                    AV_PIX_FMT_RGB24,
                    picture.colorspace,
                    picture.color_range});
    rgb_ = NewPicture(picture.width, picture.height, AV_PIX_FMT_RGB24);
    format_ = format;
  }
  const int rows = sws_scale(
      sws_.get(), picture.data, picture.linesize, 0, picture.height, rgb_->data, rgb_->linesize);
  if (rows != picture.height) {
    ThrowUserError(where, "cannot be converted to RGB: {}", LibavError(rows));
  }
  Frame frame{picture.width, picture.height, {}};
  const size_t row_bytes = static_cast<size_t>(picture.width) * kRgbBytes;
  frame.rgb.resize(row_bytes * static_cast<size_t>(picture.height));
  for (int y = 0; y < picture.height; ++y) {
    std::memcpy(&frame.rgb[row_bytes * static_cast<size_t>(y)],
                rgb_->data[0] + static_cast<ptrdiff_t>(y) * rgb_->linesize[0],
                row_bytes);
  }
  return frame;
}

void PictureFiller::Fill(const std::string& where, const Frame& frame, AVFrame* picture) {
  if (!sws_) {
    sws_ = MakeSws(where,
                   {frame.width,
                    frame.height,
                    AV_PIX_FMT_RGB24,
                    picture->width,
                    picture->height,
                    picture->format,
                    AVCOL_SPC_UNSPECIFIED,
                    AVCOL_RANGE_UNSPECIFIED});
    rgb_.assign(frame.rgb.size() + AV_INPUT_BUFFER_PADDING_SIZE, 0);
  }
  std::copy(frame.rgb.begin(), frame.rgb.end(), rgb_.begin());
  const uint8_t* const planes[] = {rgb_.data()};
  const int strides[] = {frame.width * kRgbBytes};
  const int rows =
      sws_scale(sws_.get(), planes, strides, 0, frame.height, picture->data, picture->linesize);
  if (rows != picture->height) {
    ThrowUserError(where, "cannot be converted from RGB: {}", LibavError(rows));
  }
}

}  // namespace teacache
