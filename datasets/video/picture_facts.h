#pragma once

// Internal to teacache::datasets: what a decoded picture and its codec say. Not for public headers.

#include "datasets/video/libav_handles.h"
#include "datasets/video/video.h"

namespace teacache {

// Damaged files have colour tags that libav has no names for: they become "unspecified".
void DropUnknownColors(AVFrame* picture);

// Codec, pixel format, colour tags and whether the codec loses anything, from the first picture of
// a stream.
void DescribePicture(const AVCodecParameters& parameters, const AVFrame& picture, VideoInfo* info);

}  // namespace teacache
