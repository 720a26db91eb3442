#include "datasets/video/format_differences.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <utility>

#include "datasets/video/libav_handles.h"

namespace teacache {
namespace {

// What of a pixel format decides about its conversion to 8-bit RGB.
struct Samples {
  enum class Model { kRgb, kYuv, kGrey };
  Model model = Model::kRgb;
  int bits = 8;
  int chroma_w = 0, chroma_h = 0;  // log2 of the subsampling
  bool full_range = true;
};

Samples SamplesOf(const VideoInfo& info) {
  Samples samples;
  const AVPixelFormat pixels = av_get_pix_fmt(info.pixel_format.c_str());
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(pixels);
  // Tensors of floats are rounded to 8 bits, as whoever writes pictures does.
  if (format == nullptr || (format->flags & AV_PIX_FMT_FLAG_PAL) != 0) return samples;
  const int alpha = (format->flags & AV_PIX_FMT_FLAG_ALPHA) != 0 ? 1 : 0;
  samples.bits = format->comp[0].depth;
  if ((format->flags & AV_PIX_FMT_FLAG_RGB) != 0) return samples;
  const std::string_view name = info.pixel_format;
  if (name.starts_with("mono")) return samples;
  samples.model = format->nb_components - alpha == 1 ? Samples::Model::kGrey : Samples::Model::kYuv;
  samples.chroma_w = format->log2_chroma_w;
  samples.chroma_h = format->log2_chroma_h;
  const bool unsaid = info.color_range != "tv" && info.color_range != "pc";
  if (unsaid && samples.model == Samples::Model::kGrey) {
    // The standards of these say limited; swscale takes other grey as full.
    samples.full_range = info.codec != "h264" && info.codec != "hevc" && info.codec != "av1";
  } else {
    samples.full_range = info.color_range == "pc" || name.starts_with("yuvj");
  }
  return samples;
}

std::string FormatText(const VideoInfo& info, bool full_range, bool with_range) {
  if (!with_range) return info.pixel_format;
  return fmt::format("{} in {} range", info.pixel_format, full_range ? "full" : "limited");
}

void AddFormats(const VideoInfo& gt, const VideoInfo& gen, std::vector<std::string>* out) {
  const Samples a = SamplesOf(gt), b = SamplesOf(gen);
  const bool rgb = a.model == Samples::Model::kRgb || b.model == Samples::Model::kRgb;
  const bool grey = a.model == Samples::Model::kGrey || b.model == Samples::Model::kGrey;
  const bool ranges = a.full_range != b.full_range && !(rgb && a.model != b.model);
  const bool chroma = !grey && (a.chroma_w != b.chroma_w || a.chroma_h != b.chroma_h);
  const bool models = rgb && a.model != b.model;
  if (!ranges && !chroma && a.model == b.model && a.bits == b.bits) return;
  const bool swscale = gt.converted_by_swscale || gen.converted_by_swscale;
  const bool alike = !swscale && !ranges && !chroma && !models;
  out->push_back(fmt::format("pixel formats differ: {} (ground truth), {}: {}",
                             FormatText(gt, a.full_range, ranges),
                             FormatText(gen, b.full_range, ranges),
                             alike ? "both are brought to 8 bits and converted in one way"
                                   : "the conversion alone costs quality"));
}

}  // namespace

std::vector<std::string> PairWarnings(const VideoInfo& gt, const VideoInfo& gen) {
  std::vector<std::string> out;
  AddFormats(gt, gen, &out);
  const auto tag = [&](const char* what, const std::string& a, const std::string& b) {
    if (a != b) {
      out.push_back(fmt::format("colour {} differs: {} (ground truth), {}", what, a, b));
    }
  };
  tag("matrix", gt.color_matrix, gen.color_matrix);
  tag("primaries", gt.color_primaries, gen.color_primaries);
  tag("transfer", gt.color_transfer, gen.color_transfer);
  const std::pair<const VideoInfo*, const char*> sides[] = {{&gt, "the ground truth"},
                                                            {&gen, "the generated video"}};
  for (const auto& [info, what] : sides) {
    if (info->variable_frame_rate) out.push_back(fmt::format("{} has a variable frame rate", what));
  }
  if (gt.fps > 0 && gen.fps > 0 && std::abs(gt.fps - gen.fps) > 1e-3 * gt.fps) {
    out.push_back(fmt::format("frame rates differ: {:g} (ground truth), {:g}", gt.fps, gen.fps));
  }
  for (const auto& [info, what] : sides) {
    for (const std::string& note : info->notes) out.push_back(fmt::format("{} {}", what, note));
    if (info->lossless == true) continue;
    out.push_back(
        fmt::format("{} {} lossy ({})", what, info->lossless ? "is" : "may be", info->codec));
  }
  return out;
}

}  // namespace teacache
