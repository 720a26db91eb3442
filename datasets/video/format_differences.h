#pragma once

#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// What makes the comparison of two videos something else than it looks like, one sentence each:
// formats between which a conversion alone costs quality (bits per sample, chroma, range, RGB
// against YUV) with both their names, colour tags and frame rates that differ, coding that loses
// something, and the notes of both (VideoInfo::notes).
std::vector<std::string> PairWarnings(const VideoInfo& gt, const VideoInfo& gen);

}  // namespace teacache
