#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/base/choices.h"

namespace teacache {

// From the dimensions' raw scores to VBench's three numbers. With s_d = (raw_d - min_d) / (max_d -
// min_d) weight_d (see VbenchDimension; no clipping):
//   Quality  = sum of s_d over its 7 dimensions / sum of their weights (6.5)
//   Semantic = the same over its 9 dimensions (9)
//   Total    = (4 Quality + Semantic) / 5

enum class VbenchCompat {
  kNone,      // full precision; a missing dimension is an error
  kTeaCache,  // TeaCache's cal_vbench.py: raw scores rounded to 4 decimals, all 16 needed
  kVbench,    // VBench's scripts/cal_final_score.py: full precision, a missing dimension counts 0
};
inline constexpr Choices<VbenchCompat, 2> kVbenchCompats = {
    {{"teacache", VbenchCompat::kTeaCache}, {"vbench", VbenchCompat::kVbench}}};

struct VbenchTotals {
  std::map<std::string, double> raw;     // by dimension, as they entered
  std::map<std::string, double> scaled;  // s_d; for kVbench also of those that are missing
  std::vector<std::string> missing;      // dimensions without a score, in the table's order
  bool partial = false;  // the totals are over the dimensions that are there, by their weights
  double quality = 0;    // NaN when partial and none of its dimensions is there
  double semantic = 0;
  double total = 0;  // NaN when partial and one of the two is
};

// `raw` by dimension ("subject_consistency"). Throws UserError for names that VBench has not and,
// unless `partial` or kVbench, for missing dimensions.
VbenchTotals AggregateVbench(const std::map<std::string, double>& raw,
                             VbenchCompat compat = VbenchCompat::kNone,
                             bool partial = false);

// The raw scores of the *_eval_results.json files of some folders, as VBench writes them,
//   {dimension: [score, [{"video_path": ..., "video_results": ...}, ...]], ...},
// from VBench itself or from this program. With kTeaCache each needs its *_full_info.json whose
// first prompt has a video, as cal_vbench.py wants. Throws UserError for files that are something
// else, a dimension that is in two files, and a folder without scores.
std::map<std::string, double> ReadVbenchScores(const std::vector<std::string>& folders,
                                               VbenchCompat compat = VbenchCompat::kNone);

// The two files of cal_vbench.py, text for text: all_results.json (raw scores of 4 decimals) and
// scaled_results.json ("items": per cent of 2 decimals).
std::string TeaCacheAllResults(const VbenchTotals& totals);
std::string TeaCacheScaledResults(const VbenchTotals& totals);

// A table for people, and the same as JSON with full precision.
std::string VbenchTotalsText(const VbenchTotals& totals);
std::string VbenchTotalsJson(const VbenchTotals& totals, VbenchCompat compat);

}  // namespace teacache
