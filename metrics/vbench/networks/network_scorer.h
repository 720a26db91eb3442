#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "metrics/vbench/networks/network_files.h"
#include "metrics/vbench/scorer.h"

namespace teacache {

// The dimensions that need networks. Loads the files that `dimensions` need, runs each once on
// zeros and checks what comes out. Frames are preprocessed on the CPU, once per transform for all
// dimensions, and given to feature networks as many at a time as the driver decodes. Throws
// UserError naming the file and what was expected; all files must be there (see MissingFiles).
std::shared_ptr<const VbenchScorer> MakeNetworkScorer(
    const NetworkFiles& files,
    const std::vector<const VbenchDimension*>& dimensions,
    at::Device device);

}  // namespace teacache
