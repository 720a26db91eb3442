#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace teacache {

// Small networks as TorchScript files, for slots that the golden data has none for. Compiled here
// from TorchScript source, so that no Python is needed.

// A network whose methods are `source` ("def forward(self, x): ..."), with tensors and numbers that
// it can use (self.name), and networks from files (self.name.forward(...)).
void WriteScript(const std::string& path,
                 const std::string& source,
                 const std::vector<std::pair<std::string, at::Tensor>>& tensors = {},
                 const std::vector<std::pair<std::string, std::string>>& networks = {},
                 const std::vector<std::pair<std::string, int64_t>>& numbers = {});

}  // namespace teacache
