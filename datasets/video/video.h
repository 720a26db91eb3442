#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/base/choices.h"

namespace teacache {

// One picture. `rgb` is [height, width, 3] uint8, row-major, RGB.
struct Frame {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

// A whole clip in memory; all frames have the same size.
struct Video {
  double fps = 0;  // frames per second; 0 = unknown (folders of pictures)
  std::vector<Frame> frames;
};

// What a file says about itself. Strings are libav's names ("h264", "yuv420p", "bt709"); "unknown"
// where the file does not say.
struct VideoInfo {
  std::string path;
  std::string codec = "unknown";  // "png", "jpeg" for folders, "safetensors" for tensor files
  std::string pixel_format = "unknown";
  std::string color_matrix = "unknown";
  std::string color_range = "unknown";
  std::string color_primaries = "unknown";
  std::string color_transfer = "unknown";
  int width = 0;
  int height = 0;
  double fps = 0;  // average frame rate; 0 = unknown
  // Frames that are shown: as the container declares, hidden ones of an edit list aside, and once
  // the last one was read, as many as there were. -1 = unknown until read.
  int64_t num_frames = -1;
  // Do the distances of the frames differ? Known at once for MP4; for other containers it is true
  // from the first odd distance on, so ask after the last frame.
  bool variable_frame_rate = false;
  // Does its coding keep every value? None = it does not say (VP9, AV1, H.264 and H.265 of unknown
  // encoders). That RGB became YUV before counts for nothing here.
  std::optional<bool> lossless;
  // Was every format converted by swscale alone (VideoReaderOptions::Decoder::kImageio)?
  bool converted_by_swscale = false;
  // Frames before the first one that could be decoded: those of a stream that was cut at an open
  // group of pictures.
  int64_t lost_at_start = 0;
  // What a comparison does not look at and what is done to the coded pictures, as the rest of a
  // sentence about the video: "has transparent pixels (alpha is not compared)". Some is only seen
  // on the way, so ask after the last frame.
  std::vector<std::string> notes;
};

// The numbers in the names of the frames' files, in the order of the frames: for folders whose
// pictures differ in a rising number only.
struct FrameNumbers {
  std::vector<int64_t> values;  // empty = none
  int digits = 1;               // the fewest that a name has, leading zeros included
};

// Reads frames in order. A file that cannot be read or is damaged throws UserError naming the file
// and, where known, the frame.
class VideoReader {
 public:
  virtual ~VideoReader() = default;
  virtual const VideoInfo& info() const = 0;
  // The next frame, or nothing at the end.
  virtual std::optional<Frame> Next() = 0;
  virtual const FrameNumbers& numbers() const;  // none
};

// Both decoders convert 8-bit video to RGB as the ffmpeg program does (swscale's bicubic default;
// matrix and range from the stream's tags, BT.601 limited when untagged; cropped and turned as the
// file says). They take the video track that the program takes: the largest one, default ones
// first.
struct VideoReaderOptions {
  enum class Decoder {
    // Every coded frame, once. Other formats are brought to 8 bits first (see EightBits), so that
    // equal samples give equal RGB.
    kNative,
    // As imageio's ffmpeg pipe: frames repeated and dropped to a constant frame rate, and every
    // format converted by swscale alone, which treats 10-bit chroma and grey of limited range
    // differently.
    kImageio,
  };
  Decoder decoder = Decoder::kNative;
  int threads = 1;  // decoder threads of video files; 0 = one per core
};
inline constexpr Choices<VideoReaderOptions::Decoder, 2> kVideoDecoders = {
    {{"native", VideoReaderOptions::Decoder::kNative},
     {"imageio", VideoReaderOptions::Decoder::kImageio}}};

// Opens a video file (whatever libav reads), a picture (a video of one frame), a folder of PNG/JPEG
// frames (natural order) or a
// tensor file (.safetensors with one [T, 3, H, W] or [T, H, W, 3] tensor, uint8 or float in [0, 1];
// frames per second in the metadata as "fps"). The first frame is decoded at once; memory stays
// bounded by a few frames, however long the video is.
std::unique_ptr<VideoReader> OpenVideo(const std::string& path,
                                       const VideoReaderOptions& options = {});

// Can libav open this file as video? Judged by its content, so that names without or with unusual
// endings are recognised. Sound with a cover picture, subtitles and text are no video.
bool CouldBeVideo(const std::string& path);

// All frames of OpenVideo(path).
Video ReadVideo(const std::string& path, const VideoReaderOptions& options = {});

struct VideoWriterOptions {
  enum class Codec {
    kH264,  // .mp4 as imageio.mimwrite(path, frames, fps=...) writes it: libx264, yuv420p, size
            // rounded up to 16 by scaling
    kFfv1,  // .mkv, lossless RGB (bgr0)
    kPng,   // a folder of %04d.png; one that this function wrote is replaced
  };
  Codec codec = Codec::kH264;
  double fps = 8;
  // libx264's constant rate factor, 0 (lossless) to 51; only for kH264. Unless told a quality,
  // imageio passes none, which leaves libx264's own; what imageio's pages call its default, quality
  // 5, would be 25.
  int crf = 23;
};

// Writes `video` to `path` (a file, or a folder for kPng) by a temporary name and a rename, so that
// an interrupted run leaves no half-written video. The bytes depend only on frames, options and the
// versions of libav and libx264, not on the number of cores. The parent folder must exist.
void WriteVideo(const std::string& path,
                const Video& video,
                const VideoWriterOptions& options = {});

}  // namespace teacache
