#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calib/pairs.h"

namespace teacache {

// Files that other programs write while calibrating. They hold ratios, not sums: shards of one
// tensor cannot be added up, and the denominators' epsilon is the other program's. The formats are
// in calib/importers, one file each.

struct ImportOptions {
  std::string format = "auto";  // one of ImportFormats(); "auto" = by content
  std::string signal;           // of mlx files with several: "A", "B"; "" = "A"
};

// What a file says about its runs besides the pairs. Zeros and "" = nothing.
struct ImportedRuns {
  PairSet pairs;  // of one expert
  std::string model;
  std::string source;  // the program
  double guidance = 0;
  int width = 0;
  int height = 0;
  int frames = 0;
};

// One entry per expert, in order of name. Throws UserError naming the file (and line or field) for
// anything that is malformed, not finite, negative, given twice, or not of the format.
std::vector<ImportedRuns> ImportPairs(const std::string& path, const ImportOptions& options = {});
std::vector<ImportedRuns> ImportPairsFromText(std::string text,
                                              const std::string& where,
                                              const ImportOptions& options = {});

// True for files that begin as a trace of this toolkit.
bool IsTraceFile(const std::string& path);

// Joins the same expert's pairs of several files. Throws UserError for different steps or models
// and for a pair (prompt, seed, branch, call) in two files, except means, which are weighted by
// their counts.
std::vector<ImportedRuns> MergeImported(const std::vector<std::vector<ImportedRuns>>& files,
                                        const std::vector<std::string>& names);

// Branch policies on ratios: kAverage is the mean of the branches' ratios.
PairSet CombineBranches(const PairSet& set, const PairOptions& options);

// Only steps first ... last (-1 = the last one). Throws UserError when nothing is left.
PairSet OnlySteps(PairSet set, int first, int last);

// Names of the formats, as on the command line.
std::vector<std::string> ImportFormats();
// Throws UserError listing the names unless it is "auto" or one of them.
void CheckImportFormat(const std::string& name);

}  // namespace teacache
