#pragma once

#include <string>
#include <vector>

#include "reports/sweep/sweep.h"
#include "runners/systems/system.h"

namespace teacache {

// The prompts of a sweep, given or the system's own; no prompt is in both lists.
struct SweepPrompts {
  std::vector<std::string> fit;
  std::vector<std::string> test;
  int asked = 0;  // test prompts
};

// Throws UserError for prompts that the system does not take, that occur twice or in both lists.
SweepPrompts ChooseSweepPrompts(const System& system, const SweepOptions& options);

}  // namespace teacache
