// The kinds of OpenVideo and WriteVideo that need libav, in a build without it (TEACACHE_GPU_KIT).
#include "datasets/base/error.h"
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

std::unique_ptr<VideoReader> OpenPictureFolder(const std::string& path) { NeedsLibav(path); }

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
