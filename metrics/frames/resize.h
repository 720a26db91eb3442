#pragma once

#include "datasets/video/video.h"

namespace teacache {

// Bilinear resizing of 8-bit pictures to the digit as torchvision does it (resize on uint8 tensors:
// float32 with fused products, positions (i + 0.5) scale - 0.5, rounded to nearest even). With
// `antialias` the triangle filter widens with the scale when shrinking (torchvision's default since
// 0.17), without it four samples are mixed whatever the scale.
Frame ResizeBilinear(const Frame& frame, int width, int height, bool antialias = true);

// The middle of the picture; offsets round down. Throws UserError when it is smaller than that.
Frame CropCenter(const Frame& frame, int width, int height);

// What TeaCache's batch_eval.py does to a ground-truth video before it is compared with a generated
// one of another size: where it is smaller in one direction, resize to
//   (max(gw, int(gw (w / h))), max(gh, int(gh (h / w))))
// for gt w x h and gen gw x gh, which keeps the aspect only for square gen; then crop the middle.
Frame BatchEvalResize(const Frame& gt, int gen_width, int gen_height, bool antialias = true);

}  // namespace teacache
