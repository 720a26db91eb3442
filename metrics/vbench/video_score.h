#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "datasets/video/video.h"

namespace teacache {

// One dimension of one video.
struct VbenchScore {
  double value = 0;  // upstream's "video_results": for imaging_quality on the network's scale
  // What it counts in a mean over frames (VbenchPooling::kFrames): frames, or pairs of frames. 0:
  // the video does not count in this dimension.
  int64_t weight = 1;
  std::vector<double> frames;  // one value per frame, where upstream writes them
};

// One video in all of its dimensions.
struct VbenchVideoScore {
  std::string name;                           // file name without extension
  std::string prompt;                         // what it was made from
  std::string auxiliary;                      // JSON of the prompt's "auxiliary_info"; "" = none
  std::vector<std::string> dimensions;        // that the prompt belongs to and were asked for
  int64_t frames = 0;                         // read; 0 = no dimension needed them
  VideoInfo info;                             // `info.path` is the file
  std::map<std::string, VbenchScore> scores;  // by dimension
  std::map<std::string, std::string> errors;  // by dimension; "" = the whole video

  bool ok() const { return errors.empty(); }
};

}  // namespace teacache
