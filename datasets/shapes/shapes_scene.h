#pragma once

#include <array>
#include <string>
#include <vector>

#include "datasets/shapes/shapes.h"
#include "datasets/video/video.h"

namespace teacache {

// What a video shows, read back from its pixels without any learned judge: the renderer of shapes.h
// is known, so colours go to the nearest palette entry, shapes are compared as templates of the
// measured place and area, and the track is fitted to the grammar's motions by least squares.
struct ShapesObservation {
  static constexpr int kNoMotion = -1;

  ShapesPrompt prompt;  // the closest sentence; motion is kNoMotion where none explains the track
  std::array<double, 6> shape_overlap{};  // mean intersection over union with each shape
  double worst_frame_overlap = 0;         // of the asked shape, smallest over frames
  double largest_piece = 0;               // share of lit pixels in the largest connected piece
  double lit_frames = 0;                  // share of frames that show anything
};

// `asked` is used only for worst_frame_overlap. The video must have 16 frames of 64 x 64, else
// UserError.
ShapesObservation ObserveShapes(const Video& video, const ShapesPrompt& asked);

// Shares of videos that are right, by axis and on all axes at once.
struct ShapesAdherence {
  int videos = 0;
  double size = 0;
  double color = 0;
  double shape = 0;
  double motion = 0;
  double speed = 0;
  double background = 0;
  double all = 0;
  double overlap = 0;        // mean intersection over union with the asked shape
  double largest_piece = 0;  // mean
};
ShapesAdherence MeasureShapesAdherence(const std::vector<ShapesPrompt>& asked,
                                       const std::vector<ShapesObservation>& seen);

}  // namespace teacache
