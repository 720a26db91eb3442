#pragma once

#include <map>
#include <string>
#include <vector>

namespace teacache {

// Dotted names in short, so that those of a whole model can be read:
//   blocks.0.proj.bias, blocks.0.proj.weight, ..., blocks.27.proj.weight
//   -> blocks.{0..27}.proj.{bias,weight}
// Every name is in exactly one pattern, which stands for all combinations of what is in its braces
// and for nothing else. `remarks`: name -> text put behind it; only names of one remark share a
// pattern.
std::vector<std::string> FoldNames(const std::map<std::string, std::string>& remarks);

}  // namespace teacache
