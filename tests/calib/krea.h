#pragma once

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "calib/pairs.h"
#include "tests/support/golden.h"

namespace teacache {

// The public trace of FLUX.1-Krea-dev (10 prompts x 27 pairs, 28 steps), or nothing where the
// shared golden files are not there.
inline std::optional<PairSet> ReadKrea() {
  const auto path = SharedGoldenFile("krea/flux1_krea_dev_pairs.csv");
  if (!path) return std::nullopt;
  PairSet set;
  set.branches = {"batched"};
  set.steps = set.calls = 28;
  std::ifstream file(*path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    char comma = 0;
    Pair pair;
    fields >> pair.prompt >> comma >> pair.call >> comma >> pair.x >> comma >> pair.y;
    pair.step = pair.call;
    set.pairs.push_back(pair);
  }
  for (int i = 0; i < 10; ++i) set.prompts.push_back(std::to_string(i));
  return set;
}

inline const Polynomial& PublishedKrea() {
  static const Polynomial published({24.18037744588824,
                                     -45.41912128506917,
                                     26.20213376107934,
                                     -3.579234954660995,
                                     0.40140693642366004});
  return published;
}

}  // namespace teacache
