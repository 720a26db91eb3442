#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/pairs.h"
#include "calib/polynomial.h"
#include "calib/replay.h"
#include "datasets/coefficients.h"
#include "datasets/trace.h"

namespace teacache {

// What is written for an engine. Which fields are needed depends on the format.
struct EmitInput {
  Coefficients coefficients;
  double threshold = 0;  // > 0 for formats with coefficients; an expert's own threshold wins
  EngineRule rule;       // of the engine: what it does with negative f, which calls it computes
  std::string model;     // the engine's name for the model; "" = provenance.model
  double target_speedup = 0;  // that the threshold was chosen for; 0 = none
  // Static schedule, true = compute, one entry per call: for the mask formats.
  std::vector<bool> mask;
  // |residual_t| / |residual_t-1| per call, by branch: for MagCache.
  std::map<std::string, std::vector<double>> magnitude_ratios;
};

struct EmittedFile {
  std::string name;  // "vllm-omni.json"
  std::string text;
};

// A format that an engine reads.
struct EmitFormat {
  std::string name;         // "vllm-omni"
  std::string description;  // one line
  std::string rule;         // name of the engine's rule, see EngineRules()
  enum class Needs { kCoefficients, kMask, kMagnitudeRatios } needs = Needs::kCoefficients;
};

const std::vector<EmitFormat>& EmitFormats();
// Throws UserError listing the names for one that is not known.
const EmitFormat& FindEmitFormat(const std::string& name);

// The file for the engine and beside it "<file>.provenance.json": where the numbers are from, how
// good they are, how the file is used, and warnings about what this engine will do with them.
// Throws UserError where the engine cannot take them (degree, experts, missing threshold).
std::vector<EmittedFile> Emit(const std::string& format, const EmitInput& input);

// Writes the files into a folder (made if needed), each by a temporary name and a rename.
std::vector<std::string> WriteEmitted(const std::string& folder,
                                      const std::vector<EmittedFile>& files);

// What the engine will do where f is negative or decreases; empty = nothing to warn of. Looked at
// is the calibrated range of x, where it is not known the observed one, where that is not known [0,
// 0.6].
std::vector<std::string> EngineWarnings(const CoefficientSet& set,
                                        const EngineRule& rule,
                                        const Range& observed = {});

// What all engines will do with f < 0 within `range`, by their sign rule; empty where f >= 0.
struct SignConsequence {
  std::vector<std::string> engines;  // names of rules
  std::string text;
};
std::vector<SignConsequence> SignConsequences(const Polynomial& f, const Range& range);

// A schedule for engines without coefficients: calls accumulate the mean y of their number, as if
// it were the signal, and are skipped below a threshold that gives at least `skips` skips (or as
// many as are possible). First and last call computed.
std::vector<bool> StaticMask(const PairSet& pairs, double skips);

// Mean over runs of sum|residual_t| / sum|residual_t-1| for each call, 1 for the first call; the
// last one repeats its predecessor, since a trace holds only sums of previous tensors. By branch.
// MagCache defines it with the L2 norm per token: L1 sums of whole tensors are close to it, not
// equal.
std::map<std::string, std::vector<double>> MagnitudeRatios(const Trace& trace);

}  // namespace teacache
