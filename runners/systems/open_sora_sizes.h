#pragma once

#include <string>

namespace teacache {

// Pixels of a video as Open-Sora 1.2 gets them. Its frames are 8 (height / 8) x 8 (width / 8).
struct OpenSoraSize {
  int height = 0;
  int width = 0;
};

// The size that Open-Sora's table gives (reference: videosys/pipelines/open_sora/data_process.py):
// resolutions 144p, 240p, 360p, 480p and 720p, aspect ratios height:width from 3:8 to 50:27. Throws
// UserError naming the known ones.
OpenSoraSize FindOpenSoraSize(const std::string& resolution, const std::string& aspect_ratio);

}  // namespace teacache
