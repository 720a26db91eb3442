extern "C" {
#include <libavutil/crc.h>
}

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string_view>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

enum class PictureKind { kNone, kPng, kJpeg };

PictureKind KindOfName(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  if (name.ends_with(".png")) {
    return PictureKind::kPng;
  }
  return name.ends_with(".jpg") || name.ends_with(".jpeg") ? PictureKind::kJpeg
                                                           : PictureKind::kNone;
}

uint32_t BigEndian32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
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

cv::Mat Decode(const std::string& path, PictureKind kind) {
  const std::string bytes = ReadFile(path);
  if (kind == PictureKind::kPng) {
    CheckPng(path, bytes);
  } else {
    CheckJpeg(path, bytes);
  }
  cv::Mat picture;
  try {
    const cv::Mat coded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
    picture = cv::imdecode(coded, cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH);
  } catch (const cv::Exception& error) {
    ThrowUserError(path, "cannot be decoded: {}", error.err);
  }
  if (picture.empty()) {
    ThrowUserError(path, "cannot be decoded");
  }
  return picture;
}

// BGR to RGB; 16 bits are rounded to 8.
Frame ToFrame(const std::string& path, const cv::Mat& picture) {
  if (picture.channels() != 3 || (picture.depth() != CV_8U && picture.depth() != CV_16U)) {
    ThrowUserError(path, "must have 8 or 16 bits per colour");
  }
  Frame frame{picture.cols, picture.rows, {}};
  frame.rgb.resize(picture.total() * 3);
  uint8_t* to = frame.rgb.data();
  for (int y = 0; y < picture.rows; ++y) {
    for (int x = 0; x < picture.cols; ++x) {
      for (int c = 2; c >= 0; --c) {
        *to++ = picture.depth() == CV_8U
                    ? picture.ptr<uint8_t>(y)[3 * x + c]
                    : static_cast<uint8_t>((picture.ptr<uint16_t>(y)[3 * x + c] + 128) / 257);
      }
    }
  }
  return frame;
}

class PictureReader : public VideoReader {
 public:
  explicit PictureReader(const std::string& path) {
    for (std::string& name : ListFolder(path)) {
      const PictureKind kind = KindOfName(name);
      if (kind == PictureKind::kNone) {
        continue;
      }
      if (!paths_.empty() && kind != kind_) {
        ThrowUserError(path, "must hold PNG or JPEG frames but holds both");
      }
      kind_ = kind;
      paths_.push_back(path + "/" + name);
    }
    if (paths_.empty()) {
      ThrowUserError(path, "must hold PNG or JPEG frames but holds none");
    }
    const cv::Mat picture = Decode(paths_[0], kind_);
    first_ = ToFrame(paths_[0], picture);
    info_.path = path;
    info_.codec = kind_ == PictureKind::kPng ? "png" : "jpeg";
    info_.pixel_format = picture.depth() == CV_16U ? "rgb48" : "rgb24";
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
    Frame frame = ToFrame(path, Decode(path, kind_));
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
  PictureKind kind_ = PictureKind::kNone;
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
  std::vector<uint8_t> bgr;
  for (size_t i = 0; i < video.frames.size(); ++i) {
    const Frame& frame = video.frames[i];
    bgr = frame.rgb;
    for (size_t p = 0; p < bgr.size(); p += 3) {
      std::swap(bgr[p], bgr[p + 2]);
    }
    std::vector<uint8_t> coded;
    bool done = false;
    try {
      done = cv::imencode(".png", cv::Mat(frame.height, frame.width, CV_8UC3, bgr.data()), coded);
    } catch (const cv::Exception& error) {
      ThrowUserError(where, "frame {} cannot be written as PNG: {}", i, error.err);
    }
    if (!done) {
      ThrowUserError(where, "frame {} cannot be written as PNG", i);
    }
    AtomicWriteFile(fmt::format("{}/{:04d}.png", path, i),
                    std::as_bytes(std::span<const uint8_t>(coded)));
  }
}

}  // namespace teacache
