#include "calib/rules/teacache_mode.h"

#include "datasets/base/error.h"

namespace teacache {

TeaCacheMode ParseTeaCacheMode(const std::string& name) {
  if (name == "strict") return TeaCacheMode::kStrict;
  if (name == "reference") return TeaCacheMode::kReference;
  ThrowUserError("--teacache-mode", "must be strict or reference but is '{}'", name);
}

std::string TeaCacheModeName(TeaCacheMode mode) {
  return mode == TeaCacheMode::kStrict ? "strict" : "reference";
}

}  // namespace teacache
