// PNG samples are copied as they are stored. JPEG decoders agree on the quantised coefficients and
// differ after them. Here chroma is upsampled by libjpeg's "fancy" (triangle) filter and converted
// by its fixed-point constants (jdsample.c and jdcolor.c of libjpeg-turbo 2 describe both). The
// inverse DCT is libav's integer one, which rounds some coefficients differently: about 1 sample in
// 20 is 1 level off, rarely 2 or 3.

#include <algorithm>
#include <array>

#include "datasets/base/error.h"
#include "datasets/video/eight_bits.h"
#include "datasets/video/frame_converter.h"
#include "datasets/video/libav_handles.h"
#include "datasets/video/picture_codec.h"

namespace teacache {
namespace {

AvFrame DecodeFrame(const std::string& where, PictureKind kind, std::string_view bytes) {
  QuietLibav();
  const AVCodec* codec =
      avcodec_find_decoder(kind == PictureKind::kPng ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG);
  if (codec == nullptr) ThrowUserError(where, "cannot be decoded: libav has no decoder for it");
  const CodecContext context(avcodec_alloc_context3(codec));
  AvPacket packet = NewPacket();
  if (!context || av_new_packet(packet.get(), static_cast<int>(bytes.size())) < 0) {
    throw std::bad_alloc();
  }
  std::ranges::copy(bytes, packet->data);  // with the padding that libav asks for
  context->idct_algo = FF_IDCT_INT;
  context->err_recognition = AV_EF_EXPLODE;
  context->thread_count = 1;
  AvFrame frame = NewFrame();
  int code = avcodec_open2(context.get(), codec, nullptr);
  if (code >= 0) code = avcodec_send_packet(context.get(), packet.get());
  if (code >= 0) code = avcodec_send_packet(context.get(), nullptr);
  if (code >= 0) code = avcodec_receive_frame(context.get(), frame.get());
  if (code < 0) ThrowUserError(where, "cannot be decoded: {}", LibavError(code));
  return frame;
}

uint8_t Round16(const uint8_t* big_endian) {
  return static_cast<uint8_t>(((big_endian[0] << 8 | big_endian[1]) + 128) / 257);
}

// One row of a PNG in any of the layouts that libav gives it, to RGB. False for others.
bool PngRow(const AVFrame& frame, int y, uint8_t* rgb) {
  const uint8_t* from = frame.data[0] + static_cast<ptrdiff_t>(y) * frame.linesize[0];
  const auto each = [&](int step, auto sample) {  // sample(pixel, channel)
    for (int x = 0; x < frame.width; ++x) {
      for (int c = 0; c < 3; ++c) *rgb++ = sample(from + static_cast<ptrdiff_t>(x) * step, c);
    }
  };
  switch (frame.format) {
    case AV_PIX_FMT_RGB24:
    case AV_PIX_FMT_RGBA:
      each(frame.format == AV_PIX_FMT_RGBA ? 4 : 3, [](const uint8_t* p, int c) { return p[c]; });
      return true;
    case AV_PIX_FMT_GRAY8:
    case AV_PIX_FMT_YA8:
      each(frame.format == AV_PIX_FMT_YA8 ? 2 : 1, [](const uint8_t* p, int) { return *p; });
      return true;
    case AV_PIX_FMT_RGB48BE:
    case AV_PIX_FMT_RGBA64BE:
      each(frame.format == AV_PIX_FMT_RGBA64BE ? 8 : 6,
           [](const uint8_t* p, int c) { return Round16(p + 2 * c); });
      return true;
    case AV_PIX_FMT_GRAY16BE:
    case AV_PIX_FMT_YA16BE:
      each(frame.format == AV_PIX_FMT_YA16BE ? 4 : 2,
           [](const uint8_t* p, int) { return Round16(p); });
      return true;
    case AV_PIX_FMT_PAL8: {
      const auto* palette = reinterpret_cast<const uint32_t*>(frame.data[1]);  // 0xAARRGGBB
      each(1, [palette](const uint8_t* p, int c) {
        return static_cast<uint8_t>(palette[*p] >> (16 - 8 * c));
      });
      return true;
    }
    case AV_PIX_FMT_MONOBLACK:
      for (int x = 0; x < frame.width; ++x) {
        const bool white = from[x / 8] >> (7 - x % 8) & 1;
        for (int c = 0; c < 3; ++c) *rgb++ = white ? 255 : 0;
      }
      return true;
    default:
      return false;
  }
}

bool IsDeep(int format) {
  return format == AV_PIX_FMT_RGB48BE || format == AV_PIX_FMT_RGBA64BE ||
         format == AV_PIX_FMT_GRAY16BE || format == AV_PIX_FMT_YA16BE;
}

// A plane of samples without padding.
struct Plane {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> samples;

  const uint8_t* row(int y) const {
    return samples.data() + static_cast<size_t>(std::clamp(y, 0, height - 1)) * width;
  }
};

Plane CopyPlane(const AVFrame& frame, int plane, int width, int height) {
  Plane copy{width, height, {}};
  copy.samples.reserve(static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = frame.data[plane] + static_cast<ptrdiff_t>(y) * frame.linesize[plane];
    copy.samples.insert(copy.samples.end(), from, from + width);
  }
  return copy;
}

// Weighted sums of a row and its nearer vertical neighbour, 3 : 1, for output row `y`; of the row
// alone where chroma is not halved vertically. `scale` is the sum of the weights.
std::vector<int> VerticalSums(const Plane& chroma, int y, bool halved) {
  std::vector<int> sums(chroma.width);
  const uint8_t* near = chroma.row(halved ? y / 2 : y);
  const uint8_t* far = halved ? chroma.row(y % 2 == 0 ? y / 2 - 1 : y / 2 + 1) : near;
  for (int x = 0; x < chroma.width; ++x) sums[x] = halved ? 3 * near[x] + far[x] : near[x];
  return sums;
}

// Chroma of output row `y` at full width.
std::vector<uint8_t> UpsampledRow(const Plane& chroma, int y, int width, bool half_x, bool half_y) {
  std::vector<uint8_t> row(static_cast<size_t>(width) + 1);
  if (half_x && chroma.width <= 2) {  // too narrow for the triangle filter: samples are repeated
    const uint8_t* from = chroma.row(half_y ? y / 2 : y);
    for (int x = 0; x < width; ++x) row[x] = from[x / 2];
    return row;
  }
  const std::vector<int> sums = VerticalSums(chroma, y, half_y);
  if (!half_x) {
    const int bias = y % 2 == 0 ? 1 : 2;
    for (int x = 0; x < width; ++x) {
      row[x] = static_cast<uint8_t>(half_y ? (sums[x] + bias) >> 2 : sums[x]);
    }
    return row;
  }
  // 3 : 1 between neighbours, rounded up and down in turn.
  const int shift = half_y ? 4 : 2;
  const int even = half_y ? 8 : 1;
  const int odd = half_y ? 7 : 2;
  const int last = chroma.width - 1;
  for (int x = 0; x < width; ++x) {
    const int at = x / 2;
    const int other = x % 2 == 0 ? at - 1 : at + 1;
    const int bias = x % 2 == 0 ? even : odd;
    if (other < 0 || other > last) {
      row[x] = static_cast<uint8_t>(half_y ? (4 * sums[at] + bias) >> 4 : sums[at]);
    } else {
      row[x] = static_cast<uint8_t>((3 * sums[at] + sums[other] + bias) >> shift);
    }
  }
  return row;
}

uint8_t Clamp(int value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

// JFIF's full-range BT.601 in 16-bit fixed point.
void YccToRgb(int y, int cb, int cr, uint8_t* rgb) {
  constexpr int kHalf = 1 << 15;
  const auto fix = [](double x) { return static_cast<int>(x * 65536 + 0.5); };
  cb -= 128;
  cr -= 128;
  rgb[0] = Clamp(y + ((fix(1.40200) * cr + kHalf) >> 16));
  rgb[1] = Clamp(y + ((-fix(0.34414) * cb - fix(0.71414) * cr + kHalf) >> 16));
  rgb[2] = Clamp(y + ((fix(1.77200) * cb + kHalf) >> 16));
}

struct Subsampling {
  bool half_x = false;
  bool half_y = false;
};

Subsampling SubsamplingOf(const std::string& where, int format) {
  switch (format) {
    case AV_PIX_FMT_YUVJ444P:
      return {false, false};
    case AV_PIX_FMT_YUVJ422P:
      return {true, false};
    case AV_PIX_FMT_YUVJ440P:
      return {false, true};
    case AV_PIX_FMT_YUVJ420P:
      return {true, true};
    default:
      ThrowUserError(where, "must be a grey or YCbCr JPEG with 4:4:4, 4:2:2, 4:4:0 or 4:2:0");
  }
}

Frame JpegToRgb(const std::string& where, const AVFrame& frame) {
  const bool grey = frame.format == AV_PIX_FMT_GRAY8;
  const Subsampling sampling = grey ? Subsampling{} : SubsamplingOf(where, frame.format);
  const int width = sampling.half_x ? (frame.width + 1) / 2 : frame.width;
  const int height = sampling.half_y ? (frame.height + 1) / 2 : frame.height;
  std::array<Plane, 2> chroma;
  for (int i = 0; i < 2 && !grey; ++i) chroma[i] = CopyPlane(frame, i + 1, width, height);
  Frame out{frame.width, frame.height, {}};
  out.rgb.resize(static_cast<size_t>(frame.width) * frame.height * 3);
  uint8_t* rgb = out.rgb.data();
  for (int y = 0; y < frame.height; ++y) {
    const uint8_t* luma = frame.data[0] + static_cast<ptrdiff_t>(y) * frame.linesize[0];
    std::array<std::vector<uint8_t>, 2> rows;
    for (int i = 0; i < 2 && !grey; ++i) {
      rows[i] = UpsampledRow(chroma[i], y, frame.width, sampling.half_x, sampling.half_y);
    }
    for (int x = 0; x < frame.width; ++x, rgb += 3) {
      YccToRgb(luma[x], grey ? 128 : rows[0][x], grey ? 128 : rows[1][x], rgb);
    }
  }
  return out;
}

Picture Decode(const std::string& where, PictureKind kind, std::string_view bytes) {
  const AvFrame frame = DecodeFrame(where, kind, bytes);
  Picture picture;
  if (kind == PictureKind::kJpeg) {
    picture.frame = JpegToRgb(where, *frame);
  } else {
    picture.bits = IsDeep(frame->format) ? 16 : 8;
    picture.transparent = HasTransparentPixels(*frame);
    picture.frame = {frame->width, frame->height, {}};
    const size_t stride = static_cast<size_t>(frame->width) * 3;
    picture.frame.rgb.resize(stride * frame->height);
    for (int y = 0; y < frame->height; ++y) {
      if (!PngRow(*frame, y, picture.frame.rgb.data() + stride * y)) {
        ThrowUserError(where, "must have 8 or 16 bits per colour");
      }
    }
  }
  const AVFrameSideData* turn = av_frame_get_side_data(frame.get(), AV_FRAME_DATA_DISPLAYMATRIX);
  if (turn != nullptr && turn->size >= 9 * sizeof(int32_t)) {
    const auto* matrix = reinterpret_cast<const int32_t*>(turn->data);
    picture.frame = Orient(std::move(picture.frame), ReadOrientation(where, matrix));
  }
  return picture;
}

std::vector<uint8_t> EncodePng(const std::string& where, const Frame& frame) {
  QuietLibav();
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
  if (codec == nullptr) ThrowUserError(where, "cannot be written as PNG: libav has no encoder");
  const CodecContext context(avcodec_alloc_context3(codec));
  if (!context) throw std::bad_alloc();
  context->width = frame.width;
  context->height = frame.height;
  context->pix_fmt = AV_PIX_FMT_RGB24;
  context->time_base = {1, 1};
  context->thread_count = 1;
  int code = avcodec_open2(context.get(), codec, nullptr);
  const AvFrame picture = NewPicture(frame.width, frame.height, AV_PIX_FMT_RGB24);
  const size_t stride = static_cast<size_t>(frame.width) * 3;
  for (int y = 0; y < frame.height; ++y) {
    std::copy_n(frame.rgb.data() + stride * y,
                stride,
                picture->data[0] + static_cast<ptrdiff_t>(y) * picture->linesize[0]);
  }
  const AvPacket packet = NewPacket();
  if (code >= 0) code = avcodec_send_frame(context.get(), picture.get());
  if (code >= 0) code = avcodec_receive_packet(context.get(), packet.get());
  if (code < 0) ThrowUserError(where, "cannot be written as PNG: {}", LibavError(code));
  return {packet->data, packet->data + packet->size};
}

}  // namespace

const PictureCodec& LibavPictures() {
  static const PictureCodec codec = {"libav", Decode, EncodePng};
  return codec;
}

}  // namespace teacache
