#pragma once

// Internal to teacache::datasets: the kinds of OpenVideo and WriteVideo.

#include <memory>
#include <string>

#include "datasets/video/video.h"

namespace teacache {

std::unique_ptr<VideoReader> OpenVideoFile(const std::string& path,
                                           const VideoReaderOptions& options);
std::unique_ptr<VideoReader> OpenPictureFolder(const std::string& path);
std::unique_ptr<VideoReader> OpenPicture(const std::string& path);
bool IsPictureName(const std::string& path);  // of a kind that OpenPicture reads
std::unique_ptr<VideoReader> OpenTensorVideo(const std::string& path);

// Write to `path` itself, which does not exist yet; `where` is the name for messages. The video has
// at least one frame and all frames are of one size.
void WriteVideoFile(const std::string& path,
                    const std::string& where,
                    const Video& video,
                    const VideoWriterOptions& options);
void WritePictureFolder(const std::string& path, const std::string& where, const Video& video);

}  // namespace teacache
