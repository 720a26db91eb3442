#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace teacache {

// The 16 dimensions of VBench (Huang et al. 2024, github.com/Vchitect/VBench): what each is made
// of and how it enters the total.

// Where a dimension's numbers come from.
enum class VbenchSource {
  kNative,      // nothing but the frames
  kNetworks,    // TorchScript files that the user exported
  kDetections,  // a file with what a detector, captioner or classifier saw
};

// Which mean the dimension's score is.
enum class VbenchPooling {
  kVideos,  // of the videos' scores
  kFrames,  // of all frames of all videos together (one process of VBench; see VbenchScore)
};

struct VbenchDimension {
  std::string_view name;  // as in upstream's files: "subject_consistency"
  bool quality = false;   // enters the Quality score, otherwise the Semantic score
  // (raw - min) / (max - min) * weight enters the total; there is no clipping.
  double min = 0;
  double max = 1;
  double weight = 1;
  VbenchSource source = VbenchSource::kNative;
  VbenchPooling pooling = VbenchPooling::kVideos;
  bool custom = true;  // can be computed for other prompts than VBench's
  // For --describe, and for messages.
  std::string_view frames;   // which frames are looked at
  std::string_view picture;  // what is done to them before the network
  std::string_view score;    // from the network's answers to the score
  std::string_view model;    // upstream's network; "" = none
};

// In the order of upstream's table: the 7 of Quality first.
std::span<const VbenchDimension> VbenchDimensions();

// nullptr when none has that name. Spaces count as underscores.
const VbenchDimension* FindVbenchDimension(std::string_view name);

// "a,b,c" -> dimensions, in the order of the table. Throws UserError, listing the names.
std::vector<const VbenchDimension*> ParseVbenchDimensions(const std::string& list);

}  // namespace teacache
