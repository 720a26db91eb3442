#include "datasets/video/picture_facts.h"

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace teacache {
namespace {

std::string NameOr(const char* name) { return name == nullptr ? "unknown" : name; }

// To read a value that the enumeration does not have is undefined in C++.
template <typename Enum>
void DropUnknown(Enum* tag, Enum end, Enum unspecified) {
  int value = 0;
  static_assert(sizeof(*tag) == sizeof(value));
  std::memcpy(&value, tag, sizeof(value));
  if (value < 0 || value >= end) *tag = unspecified;
}

// The settings that x264 and x265 write into their streams as text; "" = not theirs.
std::string EncoderSettings(const AVFrame& picture) {
  constexpr int kUuid = 16;  // bytes before the text
  for (int i = 0; i < picture.nb_side_data; ++i) {
    const AVFrameSideData& side = *picture.side_data[i];
    if (side.type != AV_FRAME_DATA_SEI_UNREGISTERED || side.size <= kUuid) continue;
    const std::string_view text(reinterpret_cast<const char*>(side.data) + kUuid,
                                side.size - kUuid);
    if (text.starts_with("x264") || text.starts_with("x265")) {
      return " " + std::string(text.substr(0, text.find('\0'))) + " ";
    }
  }
  return "";
}

bool Has(const std::string& settings, const char* word) {
  return settings.find(std::string(" ") + word + " ") != std::string::npos;
}

// H.264 can lose nothing in one profile only, and there x264 does not for a quantiser of 0 (to
// which it also turns a rate factor of 0).
std::optional<bool> IsLosslessH264(int profile, const std::string& settings) {
  constexpr int kHigh444Predictive = 244, kCavlc444Intra = 44, kUnknown = -99;  // libav's numbers
  if (profile != kHigh444Predictive && profile != kCavlc444Intra && profile != kUnknown) {
    return false;
  }
  if (settings.empty()) return std::nullopt;
  return Has(settings, "rc=cqp") && Has(settings, "qp=0");
}

std::optional<bool> IsLossless(const AVCodecParameters& parameters, const AVFrame& picture) {
  const std::string settings = EncoderSettings(picture);
  switch (parameters.codec_id) {
    case AV_CODEC_ID_H264:
      return IsLosslessH264(parameters.profile, settings);
    case AV_CODEC_ID_HEVC:
      if (settings.empty()) return std::nullopt;
      return Has(settings, "lossless");
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
      return std::nullopt;
    default:
      break;
  }
  const AVCodecDescriptor* descriptor = avcodec_descriptor_get(parameters.codec_id);
  if (descriptor == nullptr) return std::nullopt;
  const bool can_lose = (descriptor->props & AV_CODEC_PROP_LOSSY) != 0;
  const bool can_keep = (descriptor->props & AV_CODEC_PROP_LOSSLESS) != 0;
  if (can_lose == can_keep) return std::nullopt;
  return can_keep;
}

}  // namespace

void DropUnknownColors(AVFrame* picture) {
  DropUnknown(&picture->colorspace, AVCOL_SPC_NB, AVCOL_SPC_UNSPECIFIED);
  DropUnknown(&picture->color_range, AVCOL_RANGE_NB, AVCOL_RANGE_UNSPECIFIED);
  DropUnknown(&picture->color_primaries, AVCOL_PRI_NB, AVCOL_PRI_UNSPECIFIED);
  DropUnknown(&picture->color_trc, AVCOL_TRC_NB, AVCOL_TRC_UNSPECIFIED);
}

void DescribePicture(const AVCodecParameters& parameters, const AVFrame& picture, VideoInfo* info) {
  info->codec = avcodec_get_name(parameters.codec_id);
  info->pixel_format = NameOr(av_get_pix_fmt_name(static_cast<AVPixelFormat>(picture.format)));
  info->color_matrix = NameOr(av_color_space_name(picture.colorspace));
  info->color_range = NameOr(av_color_range_name(picture.color_range));
  info->color_primaries = NameOr(av_color_primaries_name(picture.color_primaries));
  info->color_transfer = NameOr(av_color_transfer_name(picture.color_trc));
  info->lossless = IsLossless(parameters, picture);
}

}  // namespace teacache
