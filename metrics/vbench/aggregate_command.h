#pragma once

#include <string>
#include <vector>

#include "datasets/base/outputs.h"
#include "metrics/vbench/aggregate.h"

namespace teacache {

// vbench-score aggregate as a function.
struct VbenchAggregateCommand {
  std::vector<std::string> scores;  // folders of *_eval_results.json
  std::string out;  // folder for the totals; "" = the first of `scores` for kTeaCache, else none
  VbenchCompat compat = VbenchCompat::kNone;
  bool partial = false;  // totals over the dimensions that are there
  OutputOwner owner;     // whose outputs are written
  std::string json;      // the totals as JSON: a file, "-" = printed instead of a table
};

// Reads, adds up, writes (kTeaCache: all_results.json and scaled_results.json as cal_vbench.py;
// otherwise vbench_totals.json) and returns what to print. Throws UserError.
std::string RunVbenchAggregate(const VbenchAggregateCommand& command);

}  // namespace teacache
