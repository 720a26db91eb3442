#pragma once

#include "datasets/base/choices.h"
#include "datasets/video/video.h"

namespace teacache {

inline constexpr Choices<VideoReaderOptions::Decoder, 2> kVideoDecoders = {
    {{"native", VideoReaderOptions::Decoder::kNative},
     {"imageio", VideoReaderOptions::Decoder::kImageio}}};

}  // namespace teacache
