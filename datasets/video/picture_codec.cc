#include "datasets/video/picture_codec.h"

namespace teacache {

const PictureCodec& Pictures() { return TEACACHE_PICTURES(); }

}  // namespace teacache
