extern "C" {
#include <libavutil/crc.h>
}

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/picture_codec.h"
#include "datasets/video/video_limits.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

std::optional<PictureKind> KindOfName(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  if (name.ends_with(".png")) {
    return PictureKind::kPng;
  }
  if (name.ends_with(".jpg") || name.ends_with(".jpeg")) {
    return PictureKind::kJpeg;
  }
  return std::nullopt;
}

uint32_t BigEndian32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

// Throws UserError for a picture that is too large to be decoded. PNG: width and height come first,
// in the chunk IHDR.
void CheckPngSize(const std::string& path, std::string_view bytes) {
  constexpr size_t kWidth = 16, kHeight = 20;
  if (bytes.size() < kHeight + 4) return;  // CheckPng says what is wrong
  CheckFrameSize(path, BigEndian32(bytes, kWidth), BigEndian32(bytes, kHeight));
}

// JPEG: segments of a marker and a length; those that start a frame (SOF) hold height and width.
void CheckJpegSize(const std::string& path, std::string_view bytes) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(bytes[at]); };
  for (size_t at = 2; at + 9 < bytes.size() && byte(at) == 0xff;) {
    const int marker = byte(at + 1);
    if (marker == 0xff) {  // filling
      ++at;
      continue;
    }
    const bool starts_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (starts_frame) {
      CheckFrameSize(path, byte(at + 7) << 8 | byte(at + 8), byte(at + 5) << 8 | byte(at + 6));
    }
    if (marker == 0xda) return;  // the first scan
    at += 2 + (size_t{byte(at + 2)} << 8 | byte(at + 3));
  }
}

// PNG: an 8-byte signature, then chunks of length, type, data and CRC-32 of type and data, up to
// IEND. Checked before decoding, because libpng would print what it finds.
void CheckPng(const std::string& path, std::string_view bytes) {
  constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);
  constexpr size_t kChunkExtra = 12;
  if (!bytes.starts_with(kSignature)) {
    ThrowUserError(path, "must be a PNG picture but is not");
  }
  const AVCRC* table = av_crc_get_table(AV_CRC_32_IEEE_LE);
  for (size_t at = kSignature.size(); bytes.size() - at >= kChunkExtra;) {
    const size_t length = BigEndian32(bytes, at);
    if (length > bytes.size() - at - kChunkExtra) {
      break;
    }
    const std::string_view covered = bytes.substr(at + 4, 4 + length);
    const uint32_t crc =
        ~av_crc(table, ~0u, reinterpret_cast<const uint8_t*>(covered.data()), covered.size());
    if (crc != BigEndian32(bytes, at + 8 + length)) {
      ThrowUserError(path, "is damaged: a checksum is wrong");
    }
    if (covered.starts_with("IEND")) {
      return;
    }
    at += kChunkExtra + length;
  }
  ThrowUserError(path, "must be a whole picture but is cut off");
}

// libjpeg fills the missing part of a cut picture with grey and only prints a warning, so the end
// marker is looked for: it must come after the last scan.
void CheckJpeg(const std::string& path, std::string_view bytes) {
  const size_t end = bytes.rfind("\xff\xd9"), scan = bytes.rfind("\xff\xda");
  if (end == std::string_view::npos || (scan != std::string_view::npos && scan > end)) {
    ThrowUserError(path, "must be a whole picture but is cut off");
  }
}

Picture Decode(const std::string& path, PictureKind kind) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {  // a pipe would be waited for
    ThrowUserError(path, "must be a picture file but is none");
  }
  const std::string bytes = ReadFile(path);
  if (kind == PictureKind::kPng) {
    CheckPng(path, bytes);
    CheckPngSize(path, bytes);
  } else {
    CheckJpeg(path, bytes);
    CheckJpegSize(path, bytes);
  }
  return Pictures().decode(path, kind, bytes);
}

class PictureReader : public VideoReader {
 public:
  explicit PictureReader(const std::string& path) {
    for (std::string& name : ListFolder(path)) {
      const std::optional<PictureKind> kind = KindOfName(name);
      if (!kind) {
        continue;
      }
      if (!paths_.empty() && *kind != kind_) {
        ThrowUserError(path, "must hold PNG or JPEG frames but holds both");
      }
      kind_ = *kind;
      paths_.push_back(path + "/" + name);
    }
    if (paths_.empty()) {
      ThrowUserError(path, "must hold PNG or JPEG frames but holds none");
    }
    Picture picture = Decode(paths_[0], kind_);
    first_ = std::move(picture.frame);
    info_.path = path;
    info_.codec = kind_ == PictureKind::kPng ? "png" : "jpeg";
    info_.pixel_format = picture.bits == 16 ? "rgb48" : "rgb24";
    info_.width = first_->width;
    info_.height = first_->height;
    info_.num_frames = static_cast<int64_t>(paths_.size());
    info_.lossless = kind_ == PictureKind::kPng;
  }

  const VideoInfo& info() const override { return info_; }

  std::optional<Frame> Next() override {
    if (next_ == paths_.size()) {
      return std::nullopt;
    }
    const std::string& path = paths_[next_++];
    if (first_) {
      return std::exchange(first_, std::nullopt);
    }
    Frame frame = Decode(path, kind_).frame;
    if (frame.width != info_.width || frame.height != info_.height) {
      ThrowUserError(path,
                     "must be {}x{} as the first frame but is {}x{}",
                     info_.width,
                     info_.height,
                     frame.width,
                     frame.height);
    }
    return frame;
  }

 private:
  VideoInfo info_;
  PictureKind kind_ = PictureKind::kPng;
  std::vector<std::string> paths_;
  size_t next_ = 0;
  std::optional<Frame> first_;
};

}  // namespace

std::unique_ptr<VideoReader> OpenPictureFolder(const std::string& path) {
  return std::make_unique<PictureReader>(path);
}

void WritePictureFolder(const std::string& path, const std::string& where, const Video& video) {
  MakeFolders(path);
  for (size_t i = 0; i < video.frames.size(); ++i) {
    const std::vector<uint8_t> coded =
        Pictures().encode_png(fmt::format("{}: frame {}", where, i), video.frames[i]);
    AtomicWriteFile(fmt::format("{}/{:04d}.png", path, i),
                    std::as_bytes(std::span<const uint8_t>(coded)));
  }
}

}  // namespace teacache
