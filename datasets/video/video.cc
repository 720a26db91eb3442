#include "datasets/video/video.h"

#include <algorithm>
#include <filesystem>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

constexpr int kMaxSide = 16384;  // the limit of H.264
constexpr int kMinFfv1Side = 2;  // libavcodec's FFV1 loses single rows and columns of RGB
constexpr double kMaxFps = 1000;
constexpr int kMaxCrf = 51;

void Validate(const std::string& path, const Video& video, const VideoWriterOptions& options) {
  if (video.frames.empty()) {
    ThrowUserError(path, "must have at least one frame but has none");
  }
  const Frame& first = video.frames.front();
  if (first.width < 1 || first.height < 1 || first.width > kMaxSide || first.height > kMaxSide) {
    ThrowUserError(
        path, "sides must be 1 to {} pixels but are {}x{}", kMaxSide, first.width, first.height);
  }
  if (options.codec == VideoWriterOptions::Codec::kFfv1 &&
      std::min(first.width, first.height) < kMinFfv1Side) {
    ThrowUserError(path,
                   "FFV1 keeps every bit only from {0}x{0} pixels on but the frames are {1}x{2}",
                   kMinFfv1Side,
                   first.width,
                   first.height);
  }
  for (size_t i = 0; i < video.frames.size(); ++i) {
    const Frame& frame = video.frames[i];
    if (frame.width != first.width || frame.height != first.height ||
        frame.rgb.size() !=
            size_t{3} * static_cast<size_t>(frame.width) * static_cast<size_t>(frame.height)) {
      ThrowUserError(path,
                     "frame {} must be {}x{}x3 as the first one but is {}x{} with {} bytes",
                     i,
                     first.width,
                     first.height,
                     frame.width,
                     frame.height,
                     frame.rgb.size());
    }
  }
  if (!(options.fps > 0 && options.fps <= kMaxFps)) {
    ThrowUserError(path, "fps must be in (0, {}] but is {}", kMaxFps, options.fps);
  }
  if (options.crf < 0 || options.crf > kMaxCrf) {
    ThrowUserError(path, "crf must be 0 to {} but is {}", kMaxCrf, options.crf);
  }
}

// Replacing a folder removes what is in it. Besides the marker that PendingPath asks for it may
// hold only pictures.
void CheckReplaceable(const std::string& path) {
  if (!std::filesystem::is_directory(path)) {
    return;
  }
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name != kFolderMarker && (!name.ends_with(".png") || !entry.is_regular_file())) {
      ThrowUserError(path, "must be new or hold only PNG files but has \"{}\"", name);
    }
  }
}

}  // namespace

const FrameNumbers& VideoReader::numbers() const {
  static const FrameNumbers none;
  return none;
}

std::unique_ptr<VideoReader> OpenVideo(const std::string& path, const VideoReaderOptions& options) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  switch (status.type()) {
    case std::filesystem::file_type::directory:
      return OpenPictureFolder(path);
    case std::filesystem::file_type::regular:
      break;
    case std::filesystem::file_type::not_found:
      ThrowUserError(path, "must be a video file or a folder of pictures but does not exist");
    case std::filesystem::file_type::none:  // a loop of links, a folder without permission
      ThrowUserError(path,
                     "must be a video file or a folder of pictures but cannot be looked at: {}",
                     error.message());
    default:
      // A pipe would be waited for.
      ThrowUserError(
          path, "must be a video file or a folder of pictures but is a pipe, socket or device");
  }
  if (path.ends_with(".safetensors")) {
    return OpenTensorVideo(path);
  }
  if (IsPictureName(path)) return OpenPicture(path);
  return OpenVideoFile(path, options);
}

Video ReadVideo(const std::string& path, const VideoReaderOptions& options) {
  const std::unique_ptr<VideoReader> reader = OpenVideo(path, options);
  Video video;
  video.fps = reader->info().fps;
  while (std::optional<Frame> frame = reader->Next()) {
    video.frames.push_back(std::move(*frame));
  }
  return video;
}

void WriteVideo(const std::string& path, const Video& video, const VideoWriterOptions& options) {
  Validate(path, video, options);
  if (options.codec != VideoWriterOptions::Codec::kPng) {
    CheckOutputFile(path, path);
  }
  PendingPath pending(path);
  if (options.codec == VideoWriterOptions::Codec::kPng) {
    CheckReplaceable(path);
    WritePictureFolder(pending.temp(), path, video);
  } else {
    WriteVideoFile(pending.temp(), path, video, options);
  }
  pending.Commit();
}

}  // namespace teacache
