extern "C" {
#include <libavutil/crc.h>
}

#include <algorithm>
#include <filesystem>
#include <limits>
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

// Does a PNG say that it has alpha: by its colour type, or by a chunk tRNS before the pixels?
bool DeclaresAlpha(std::string_view bytes) {
  constexpr size_t kColorType = 25;
  if (bytes.size() <= kColorType) return false;
  const int type = bytes[kColorType];
  if (type == 4 || type == 6) return true;
  for (size_t at = 8; bytes.size() - at >= 12;) {
    const std::string_view name = bytes.substr(at + 4, 4);
    if (name == "tRNS") return true;
    const size_t length = BigEndian32(bytes, at);
    if (name == "IDAT" || length > bytes.size() - at - 12) return false;
    at += 12 + length;
  }
  return false;
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
  Picture picture = Pictures().decode(path, kind, bytes);
  if (kind == PictureKind::kPng && DeclaresAlpha(bytes) && !picture.transparent) {
    picture.transparent = LibavPictures().decode(path, kind, bytes).transparent;
  }
  return picture;
}

// The number in a file's name: its last digits, and what is around them.
struct NumberedName {
  std::string around;
  std::optional<int64_t> number;
  int digits = 0;
};

NumberedName NumberOf(const std::string& name) {
  constexpr size_t kMaxDigits = 15;
  constexpr const char* kDigits = "0123456789";
  const size_t stem = name.rfind('.');
  const size_t last = name.find_last_of(kDigits, stem);
  if (last == std::string::npos) return {name, std::nullopt, 0};
  const size_t before = name.find_last_not_of(kDigits, last);
  const size_t first = before == std::string::npos ? 0 : before + 1;
  if (last + 1 - first > kMaxDigits) return {name, std::nullopt, 0};
  return {name.substr(0, first) + "*" + name.substr(last + 1, stem - last - 1),
          std::stoll(name.substr(first, last + 1 - first)),
          static_cast<int>(last + 1 - first)};
}

// Empty unless the names differ in a number only, which rises.
FrameNumbers NumbersOf(const std::vector<std::string>& names) {
  FrameNumbers numbers;
  std::string around;
  for (const std::string& name : names) {
    const NumberedName numbered = NumberOf(name);
    const bool first = numbers.values.empty();
    if (first) around = numbered.around;
    if (!numbered.number || numbered.around != around ||
        (!first && *numbered.number <= numbers.values.back())) {
      return {};
    }
    numbers.values.push_back(*numbered.number);
    numbers.digits = first ? numbered.digits : std::min(numbers.digits, numbered.digits);
  }
  return numbers;
}

// "has a hole in the numbers of its pictures: 0005, 0007 to 0009 missing"; "" where they rise in
// equal steps.
std::string HolesOf(const FrameNumbers& frames) {
  const std::vector<int64_t>& numbers = frames.values;
  constexpr size_t kMost = 5;
  int64_t step = std::numeric_limits<int64_t>::max();
  for (size_t i = 1; i < numbers.size(); ++i) step = std::min(step, numbers[i] - numbers[i - 1]);
  std::vector<std::string> holes;
  for (size_t i = 1; i < numbers.size(); ++i) {
    const int64_t from = numbers[i - 1] + step, to = numbers[i] - step;
    if (to < from) continue;
    holes.push_back(fmt::format("{:0{}}", from, frames.digits));
    if (to > from) holes.back() += fmt::format(" to {:0{}}", to, frames.digits);
  }
  if (holes.empty()) return "";
  if (holes.size() > kMost) {
    holes.resize(kMost);
    holes.push_back("...");
  }
  return fmt::format("has a hole in the numbers of its pictures: {} missing",
                     fmt::join(holes, ", "));
}

class PictureReader : public VideoReader {
 public:
  explicit PictureReader(const std::string& path) {
    std::vector<std::string> names;
    for (const std::string& name : ListFolder(path)) {
      const std::optional<PictureKind> kind = KindOfName(name);
      if (!kind) {
        continue;
      }
      if (!paths_.empty() && *kind != kind_) {
        ThrowUserError(path, "must hold PNG or JPEG frames but holds both");
      }
      kind_ = *kind;
      paths_.push_back(path + "/" + name);
      names.push_back(name);
    }
    if (paths_.empty()) {
      ThrowUserError(path, "must hold PNG or JPEG frames but holds none");
    }
    numbers_ = NumbersOf(names);
    Begin(path);
    if (const std::string holes = HolesOf(numbers_); !holes.empty()) info_.notes.push_back(holes);
  }

  // A single picture.
  PictureReader(const std::string& path, PictureKind kind) : kind_(kind), paths_{path} {
    Begin(path);
  }

  const VideoInfo& info() const override { return info_; }

  const FrameNumbers& numbers() const override { return numbers_; }

  std::optional<Frame> Next() override {
    if (next_ == paths_.size()) {
      return std::nullopt;
    }
    const std::string& path = paths_[next_++];
    if (first_) {
      return std::exchange(first_, std::nullopt);
    }
    Frame frame = Take(Decode(path, kind_));
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
  void Begin(const std::string& path) {
    Picture picture = Decode(paths_[0], kind_);
    const int bits = picture.bits;
    first_ = Take(std::move(picture));
    info_.path = path;
    info_.codec = kind_ == PictureKind::kPng ? "png" : "jpeg";
    info_.pixel_format = bits == 16 ? "rgb48" : "rgb24";
    info_.width = first_->width;
    info_.height = first_->height;
    info_.num_frames = static_cast<int64_t>(paths_.size());
    info_.lossless = kind_ == PictureKind::kPng;
  }

  Frame Take(Picture picture) {
    if (picture.transparent && !transparent_) {
      transparent_ = true;
      info_.notes.push_back("has transparent pixels (alpha is not compared)");
    }
    return std::move(picture.frame);
  }

  VideoInfo info_;
  PictureKind kind_ = PictureKind::kPng;
  std::vector<std::string> paths_;
  FrameNumbers numbers_;
  size_t next_ = 0;
  bool transparent_ = false;
  std::optional<Frame> first_;
};

}  // namespace

std::unique_ptr<VideoReader> OpenPictureFolder(const std::string& path) {
  return std::make_unique<PictureReader>(path);
}

bool IsPictureName(const std::string& path) { return KindOfName(path).has_value(); }

std::unique_ptr<VideoReader> OpenPicture(const std::string& path) {
  const std::optional<PictureKind> kind = KindOfName(path);
  if (!kind) ThrowUserError(path, "must be a PNG or JPEG picture");
  return std::make_unique<PictureReader>(path, *kind);
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
