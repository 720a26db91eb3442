#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/tensors/safetensors.h"
#include "metrics/lpips/backbones.h"
#include "metrics/lpips/lpips.h"

namespace teacache {

// Where the weights of LPIPS come from. Two files are needed: the backbone, as torchvision
// publishes it, and the small linear heads of the `lpips` Python package.
struct LpipsFiles {
  std::string backbone;  // "" = not found
  std::string heads;
  std::string how_to;  // one line: what to place where; "" when both are there

  bool complete() const { return how_to.empty(); }
};

// Looks in `folder`, or when it is empty in the first of these that is set: TEACACHE_WEIGHTS,
// XDG_CACHE_HOME/teacache-toolkit/weights, HOME/.cache/teacache-toolkit/weights, and there also in
// a folder "lpips".
LpipsFiles FindLpipsFiles(LpipsNet net, const std::string& folder);

// Reads both files (safetensors or torch.save). Throws UserError naming the file, NotInstalled
// where they are not complete.
std::shared_ptr<const Lpips> LoadLpips(const LpipsOptions& options, const LpipsFiles& files);

// Checks names and shapes (see Lpips) and converts to `dtype`. Throws UserError.
LpipsWeights ReadLpipsWeights(LpipsNet net,
                              const std::vector<TensorView>& backbone,
                              const std::vector<TensorView>& heads,
                              const std::string& source,
                              at::ScalarType dtype);

}  // namespace teacache
