#pragma once

#include <string>
#include <utility>
#include <vector>

#include "datasets/base/outputs.h"
#include "metrics/vbench/evaluate_vbench.h"

namespace teacache {

// vbench-score as a function.
struct VbenchScoreCommand {
  VbenchOptions evaluate;
  std::vector<std::string> merge;  // results.json files of shards to join; instead of scoring
  std::string out;                 // folder; "" = only print
  // Other files that the call reads, by their flags: no output may be one of them.
  std::vector<std::pair<std::string, std::string>> other_inputs;
  OutputOwner owner;                      // whose outputs are written
  std::vector<Requirement> requirements;  // of the whole: a part is not checked
  bool allow_missing_parts = false;       // of `merge`: the result is marked as partial
  bool allow_missing = false;             // missing videos are no failure
  std::string json;                       // results.json: a file, "-" = printed instead of tables
};

struct VbenchScoreOutcome {
  VbenchResults results;
  std::string text;      // for standard output
  std::string breaches;  // for standard error: a line per requirement that is not met
  // 1 when a video was not scored or is missing or a required dimension has no score, 3 when
  // everything was scored and a requirement is not met.
  int exit_code = 0;
};

// Scores (or joins) and writes into `out`:
//   results.json, per_video.csv                        see results.h
//   vbench_eval_results.json, vbench_full_info.json    as VBench writes them
// VBench's files have no place for a mark: they are not written when parts are missing.
// A part writes results.part-i-of-n.json alone. Finished videos are remembered in vbench.journal
// (of a part: its own) until everything is scored. Throws UserError.
VbenchScoreOutcome RunVbenchScore(const VbenchScoreCommand& command);

}  // namespace teacache
