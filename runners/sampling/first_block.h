#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace teacache {

// The blocks of a DenoisingRun in two parts, for policies that look at what the first block adds. A
// run whose model has a first block apart from the rest derives from this class too. The sampler
// then calls, with such a policy,
//
//   Embed -> FirstBlock -> (OtherBlocks, or the streams plus a forecast of their residual) -> Head
class FirstBlockRun {
 public:
  virtual ~FirstBlockRun() = default;

  // DenoisingRun::Blocks = OtherBlocks(FirstBlock), bit for bit.
  virtual std::vector<at::Tensor> FirstBlock(int call,
                                             int branch,
                                             const std::vector<at::Tensor>& streams) = 0;
  virtual std::vector<at::Tensor> OtherBlocks(int call,
                                              int branch,
                                              const std::vector<at::Tensor>& streams) = 0;
};

}  // namespace teacache
