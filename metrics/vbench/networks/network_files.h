#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/vbench/dimensions.h"

namespace teacache {

// The files that the user exports once (docs/vbench-export.md), and which dimension needs which.

struct NetworkSlot {
  std::string_view name;    // "clip_b32_image"
  std::string_view file;    // the usual file name in a folder of networks
  std::string_view model;   // upstream's network
  std::string_view input;   // what it is called with
  std::string_view output;  // what it must return
};

std::span<const NetworkSlot> NetworkSlots();

// Slot name -> path.
using NetworkFiles = std::map<std::string, std::string>;

// The files of a folder that have the usual names (none of them is no mistake), then those of
// `overrides`, each "slot=path". Throws UserError for an unknown slot, a folder or a path that does
// not exist.
NetworkFiles FindNetworkFiles(const std::string& folder, const std::vector<std::string>& overrides);

// Slots that a dimension of kNetworks needs; empty for others.
std::vector<std::string> SlotsOf(const VbenchDimension& dimension);

// Usual file names of the slots that the dimension needs and `files` have not: "dino.ts".
std::vector<std::string> MissingFiles(const VbenchDimension& dimension, const NetworkFiles& files);

// Everything --describe prints about these dimensions.
std::string DescribeVbench(const std::vector<const VbenchDimension*>& dimensions);

// What to do about a dimension that cannot be computed with what was given: which files to export,
// or what to run instead and how to merge its result.
std::string HowToCompute(const VbenchDimension& dimension, const NetworkFiles& files);

}  // namespace teacache
