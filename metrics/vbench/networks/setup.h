#pragma once

#include <string>
#include <vector>

#include "metrics/vbench/evaluate_vbench.h"

namespace teacache {

// What a user gives to compute dimensions with.
struct VbenchSetup {
  std::string dimensions;               // "a,b"; "" = all that can be computed
  std::string networks;                 // folder of networks; "" = none
  std::vector<std::string> network;     // "slot=path", on top of the folder
  std::vector<std::string> detections;  // files of detections (see rules.h)
  std::string device = "cpu";           // of the networks
};

// The dimensions that are asked for, in the table's order; all 16 when none is named.
std::vector<const VbenchDimension*> AskedDimensions(const VbenchSetup& setup);

// Fills options->dimensions and options->scorers, loading what is needed. Without named dimensions
// those that cannot be computed, or that --custom has not, are left out, with a warning to
// options->progress. Throws UserError for a named one that cannot be computed, saying what to do.
void SetUpVbench(const VbenchSetup& setup, VbenchOptions* options);

}  // namespace teacache
