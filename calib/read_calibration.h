#pragma once

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calib/importers/importers.h"
#include "calib/pairs.h"
#include "calib/replay/replay.h"
#include "calib/rules/engine_rules.h"
#include "datasets/base/error.h"
#include "datasets/coefficients.h"

namespace teacache {

// What the pairs are taken from and which of them count.
struct CalibrationInput {
  std::vector<std::string> files;  // traces of one setting, or files that ImportPairs reads
  std::string text = {};           // instead of a file's: what files[0] would hold, no trace
  ImportOptions import;
  PairOptions pairs;                // forced_calls and drop_... are set by the engine's rule
  std::string engine = "teacache";  // whose rule says which calls can be skipped, and is replayed
  bool all_calls = false;           // fit the calls that the engine always computes too
  bool allow_mixed = false;         // merge traces of several tasks or weights
  std::string stream;               // of traces with several, this one; "" = their sums added up
  std::string modulated;            // what x is of, where the files do not say; "" = they must
};

// The pairs of one expert (or of the only model) and what is needed to replay them.
struct CalibrationData {
  std::string expert;
  PairSet all;                        // every pair
  PairSet fitted;                     // those of calls that the engine may skip
  std::optional<ReplayInput> replay;  // empty where calls are not known
  std::map<std::string, std::vector<double>> magnitude_ratios;  // empty without residual sums
};

struct Calibration {
  std::vector<CalibrationData> experts;  // at least one; in order of name
  CoefficientProvenance provenance;
  EngineRule rule;
  std::vector<std::string> warnings;
};

// Reads and merges the files. Throws UserError for files of different kinds or settings.
Calibration ReadCalibration(const CalibrationInput& input);

// The pairs of calls that the engine may skip; all where calls are not known.
PairSet WithoutForced(PairSet set, const EngineRule& rule);

// Runs `work`; its mistakes are those of these files.
template <typename Work>
auto InFiles(const std::vector<std::string>& files, const Work& work) {
  try {
    return work();
  } catch (const UserError& error) {
    const std::string more = files.size() > 1 ? fmt::format(" and {} more", files.size() - 1) : "";
    throw UserError(files[0] + more, error.what());
  }
}

// Adds the texts that are not there yet.
void AppendNew(const std::vector<std::string>& from, std::vector<std::string>* to);

}  // namespace teacache
