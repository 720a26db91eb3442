#include <cstdlib>
#include <optional>

#include "datasets/base/error.h"
#include "datasets/tensors/float_levels.h"
#include "datasets/tensors/safetensors.h"
#include "datasets/video/video_limits.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

constexpr float kOvershoot = 0.5f;  // of decoders whose output is not clipped

using Loader = float (*)(const std::byte*);

Loader LoaderOf(const std::string& where, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return LoadFloat<float>;
    case DType::kF64:
      return LoadFloat<double>;
    case DType::kF16:
      return LoadHalf;
    case DType::kBF16:
      return LoadBfloat16;
    default:
      ThrowUserError(where, "must be U8 or of a float type but is {}", DTypeName(dtype));
  }
}

class TensorReader : public VideoReader {
 public:
  explicit TensorReader(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::Open(path);
    if (file.tensors().size() != 1) {
      ThrowUserError(path, "must hold one tensor but holds {}", file.tensors().size());
    }
    tensor_ = file.tensors()[0];
    where_ = path + ": tensor \"" + tensor_.name + "\"";
    const std::vector<int64_t>& shape = tensor_.shape;
    if (shape.size() != 4 || (shape[1] != 3 && shape[3] != 3)) {
      ThrowUserError(where_,
                     "must be [frames, 3, height, width] or [frames, height, width, 3] but is [{}]",
                     fmt::join(shape, ", "));
    }
    planar_ = shape[1] == 3;
    const int64_t height = planar_ ? shape[2] : shape[1], width = planar_ ? shape[3] : shape[2];
    if (shape[0] < 1) {
      ThrowUserError(where_, "must have at least one frame but is [{}]", fmt::join(shape, ", "));
    }
    CheckFrameSize(where_, width, height);
    if (tensor_.dtype != DType::kU8) {
      load_ = LoaderOf(where_, tensor_.dtype);
      levels_.emplace(where_, kOvershoot);
    }
    info_.path = path;
    info_.codec = "safetensors";
    info_.pixel_format = tensor_.dtype == DType::kU8 ? "rgb24" : "rgb float";
    info_.width = static_cast<int>(width);
    info_.height = static_cast<int>(height);
    info_.num_frames = shape[0];
    info_.lossless = true;
    info_.fps = ReadFps(path, file);
  }

  const VideoInfo& info() const override { return info_; }

  std::optional<Frame> Next() override {
    if (next_ == info_.num_frames) {
      return std::nullopt;
    }
    const size_t pixels = static_cast<size_t>(info_.width) * static_cast<size_t>(info_.height);
    const size_t value_bytes = static_cast<size_t>(DTypeSize(tensor_.dtype));
    const size_t frame_bytes = 3 * pixels * value_bytes;
    const std::byte* from = tensor_.data.data() + static_cast<size_t>(next_) * frame_bytes;
    Frame frame{info_.width, info_.height, std::vector<uint8_t>(3 * pixels)};
    for (size_t i = 0; i < 3 * pixels; ++i) {
      const size_t to = planar_ ? i % pixels * 3 + i / pixels : i;
      frame.rgb[to] = Level(from + i * value_bytes);
    }
    ++next_;
    if (next_ == info_.num_frames) NoteClipped();
    return frame;
  }

 private:
  static double ReadFps(const std::string& path, const SafetensorsFile& file) {
    const auto it = file.metadata().find("fps");
    if (it == file.metadata().end()) {
      return 0;
    }
    char* end = nullptr;
    const double fps = std::strtod(it->second.c_str(), &end);
    if (end == it->second.c_str() || *end != '\0' || !(fps > 0 && fps <= 1000)) {
      ThrowUserError(path, "fps must be in (0, 1000] but is \"{}\"", it->second);
    }
    return fps;
  }

  uint8_t Level(const std::byte* value) {
    return load_ == nullptr ? static_cast<uint8_t>(*value) : (*levels_)(load_(value), next_);
  }

  void NoteClipped() {
    if (!levels_ || levels_->clipped() == 0) return;
    const double all = 3.0 * info_.width * info_.height * static_cast<double>(info_.num_frames);
    info_.notes.push_back(
        fmt::format("has values outside [0, 1], which were clipped ({:.2g} % of them)",
                    100 * static_cast<double>(levels_->clipped()) / all));
  }

  VideoInfo info_;
  TensorView tensor_;
  std::string where_;
  bool planar_ = true;
  Loader load_ = nullptr;  // nullptr: uint8
  std::optional<FloatLevels> levels_;
  int64_t next_ = 0;
};

}  // namespace

std::unique_ptr<VideoReader> OpenTensorVideo(const std::string& path) {
  return std::make_unique<TensorReader>(path);
}

}  // namespace teacache
