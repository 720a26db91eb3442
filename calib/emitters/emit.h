#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"
#include "calib/replay/replay.h"
#include "datasets/coefficients.h"

namespace teacache {

// What is known of an expert's fit and threshold under the engine's rule.
struct EmitFacts {
  std::string verdict;  // "use", "no signal", ...
  std::string verdict_text;
  std::string threshold_text;  // how the threshold was chosen; "" = it was given
  bool reached = true;         // the target
  double mean_skips = -1;      // by replay of the engine's rule; -1 = not replayed
  double speedup = 0;
};

// What is written for an engine. Which fields are needed depends on the format.
struct EmitInput {
  Coefficients coefficients;
  double threshold = 0;  // > 0 for formats with coefficients; an expert's own threshold wins
  EngineRule rule;       // of the engine: what it does with negative f, which calls it computes
  std::string model;     // the engine's name for the model; "" = provenance.model
  double target_speedup = 0;               // that the threshold was chosen for; 0 = none
  std::map<std::string, EmitFacts> facts;  // by expert, "" = the only one; may be empty
  std::vector<std::string> notes;          // of how the fit was made for this engine
  // Static schedule, true = compute, one entry per call: for the mask formats.
  std::vector<bool> mask;
  // |residual_t| / |residual_t-1| per call, by branch: for MagCache.
  std::map<std::string, std::vector<double>> magnitude_ratios;
};

struct EmittedFile {
  std::string name;  // "vllm-omni.json"
  std::string text;
};

// What a format makes of the input.
struct EmittedText {
  std::string name;  // of the file
  std::string text;
  std::string usage;               // how the engine is given the file
  std::vector<std::string> notes;  // of this format
};

// A format that an engine reads.
struct EmitFormat {
  std::string name;         // "vllm-omni"
  std::string description;  // one line
  std::string rule;         // name of the engine's rule, see EngineRules()
  enum class Needs { kCoefficients, kMask, kMagnitudeRatios } needs = Needs::kCoefficients;
  EmittedText (*write)(const EmitInput& input) = nullptr;
};

const std::vector<EmitFormat>& EmitFormats();
// Throws UserError listing the names for one that is not known.
const EmitFormat& FindEmitFormat(const std::string& name);

// The file for the engine and beside it "<file>.provenance.json": where the numbers are from, how
// good they are, how the file is used, and warnings about what this engine will do with them.
// Throws UserError where the engine cannot take them (degree, experts, missing threshold).
std::vector<EmittedFile> Emit(const std::string& format, const EmitInput& input);

// One sentence where the fit's x is of another signal than the engine looks at; "" otherwise. It is
// the first of the warnings in the provenance.
std::string EmitMismatch(const std::string& format, const EmitInput& input);

// The names of the files that Emit makes for a format, known before any work.
std::vector<std::string> EmittedNames(const std::string& format);

// Writes the files into a folder (made if needed), each by a temporary name and a rename.
std::vector<std::string> WriteEmitted(const std::string& folder,
                                      const std::vector<EmittedFile>& files);

}  // namespace teacache
