#pragma once

#include <string>
#include <vector>

#include "datasets/tensors/safetensors.h"
#include "metrics/lpips/lpips_network.h"

namespace teacache {

// Checks names and shapes (see Lpips) and converts to `dtype`. Throws UserError.
LpipsWeights ReadLpipsWeights(LpipsNet net,
                              const std::vector<TensorView>& backbone,
                              const std::vector<TensorView>& heads,
                              const std::string& source,
                              at::ScalarType dtype);

}  // namespace teacache
