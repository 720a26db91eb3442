// What needs libav, in a build without it (TEACACHE_GPU_KIT): its videos are tensor files.
#include "datasets/base/error.h"
#include "datasets/video/format_differences.h"
#include "datasets/video/video.h"
#include "datasets/video/video_sources.h"

namespace teacache {
namespace {

[[noreturn]] void NeedsLibav(const std::string& where) {
  ThrowUserError(where, "must be a .safetensors file: this build has no libav");
}

}  // namespace

std::unique_ptr<VideoReader> OpenVideoFile(const std::string& path, const VideoReaderOptions&) {
  NeedsLibav(path);
}

bool CouldBeVideo(const std::string&) { return false; }

bool IsPictureName(const std::string&) { return false; }

std::vector<std::string> PairWarnings(const VideoInfo& gt, const VideoInfo& gen) {
  std::vector<std::string> warnings;
  for (const std::string& note : gt.notes) warnings.push_back("the ground truth " + note);
  for (const std::string& note : gen.notes) warnings.push_back("the generated video " + note);
  return warnings;
}

std::unique_ptr<VideoReader> OpenPictureFolder(const std::string& path) { NeedsLibav(path); }

std::unique_ptr<VideoReader> OpenPicture(const std::string& path) { NeedsLibav(path); }

void WriteVideoFile(const std::string&,
                    const std::string& where,
                    const Video&,
                    const VideoWriterOptions&) {
  NeedsLibav(where);
}

void WritePictureFolder(const std::string&, const std::string& where, const Video&) {
  NeedsLibav(where);
}

}  // namespace teacache
