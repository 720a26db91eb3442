#pragma once

#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

struct ContactSheetOptions {
  int columns = 6;        // frames shown of each video, evenly spaced, first and last included
  int scale = 2;          // whole-number enlargement, nearest neighbour
  int label_width = 300;  // pixels left of each row for its label; 0 = no labels
};

// One row of frames per video, with a label each: for looking at many videos at once. All videos
// must have the same size. `labels` is empty or has one entry per video.
Frame MakeContactSheet(const std::vector<Video>& videos,
                       const std::vector<std::string>& labels,
                       const ContactSheetOptions& options = {});

// Writes one picture as PNG (temporary name, then rename); UserError where it cannot.
void WritePng(const std::string& path, const Frame& frame);

}  // namespace teacache
