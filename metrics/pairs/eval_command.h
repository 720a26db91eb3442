#pragma once

#include <string>
#include <utility>
#include <vector>

#include "datasets/base/outputs.h"
#include "metrics/pairs/evaluate.h"

namespace teacache {

// eval-metrics as a function.
struct EvalCommand {
  EvaluateOptions evaluate;
  std::string baseline;            // a second uncached run: its scores are the noise floor
  std::string compare;             // another method: differences to it, video by video
  std::vector<std::string> merge;  // results files of shards to join; instead of everything else
  std::string out;                 // results.json; "" = none; of a part: see PartPath
  std::string csv;                 // the table; "" = "results.per_video.csv" beside `out`
  std::string
      line_folder;  // with evaluate.teacache: where the script's text file goes; "" = nowhere
  // Other files that the call reads, by their flags: no output may be one of them.
  std::vector<std::pair<std::string, std::string>> other_inputs;
  OutputOwner owner;                      // whose outputs are written
  std::vector<Requirement> requirements;  // of the whole: a part is not checked
  bool allow_missing_parts = false;       // of `merge`: the result is marked as partial
  bool allow_missing = false;             // videos without a partner are no failure
  std::string json;  // everything as JSON: a file, "-" = printed instead of tables
};

struct EvalOutcome {
  std::vector<Results> results;  // one per --gen
  std::string text;              // for standard output
  std::string breaches;          // for standard error: a line per requirement that is not met
  // 1 when a pair was not scored or had no partner or a required metric has no score, 3 when
  // everything was scored and a requirement is not met.
  int exit_code = 0;
};

// Scores, writes the files and returns what to print. The script's text file is TeaCacheLine and
// nothing else, named after the --gen folder: "runs/fast" gives "fast.txt". With several --gen the
// folder's name is put before the extension of `out` and `csv`. Throws UserError.
EvalOutcome RunEvalCommand(const EvalCommand& command);

}  // namespace teacache
