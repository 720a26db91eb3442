#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace teacache {

// A number with its 95 % confidence interval, where one was computed.
struct CoefficientStat {
  double value = 0;
  std::optional<double> lo;
  std::optional<double> hi;
};

// One fitted polynomial y = f(x), x = relative L1 change of the modulated input.
struct CoefficientSet {
  std::vector<double> coefficients;  // highest power first (numpy.poly1d order); never empty
  double x_min = 0;                  // the range of x that was fitted; both 0 = unknown
  double x_max = 0;
  std::optional<double> threshold;  // suggested threshold of the accumulated f(x), > 0
  // "r2", "rmse", "cv_r2", ...: whatever was computed, finite.
  std::map<std::string, CoefficientStat> stats;
};

// How the coefficients came about. Empty strings and zeros = unknown.
struct CoefficientProvenance {
  std::string model;
  std::string source;     // where published coefficients are from; "" for own fits
  std::string modulated;  // the tensor behind x: "input", "time", ...
  std::string target;     // what y is: "residual" or "output"
  std::string branches;   // "worst", "average", "cond", "uncond", "all"
  std::string method;     // "polyfit", "huber", ...
  std::string scheduler;
  std::string dtype;
  std::string prompts_digest;
  std::string tool_version;
  double guidance = 0;
  int steps = 0;
  int calls = 0;
  int width = 0;
  int height = 0;
  int frames = 0;
  int64_t prompts = 0;              // how many
  int64_t runs = 0;                 // prompts x seeds
  int64_t pairs = 0;                // points fitted
  std::vector<std::string> traces;  // file names without folders
};

// A coefficients file (.json), see datasets/FORMATS.md.
struct Coefficients {
  static constexpr int kVersion = 1;
  CoefficientSet set;                             // of all pairs together
  std::map<std::string, CoefficientSet> experts;  // "high", "low", ...; empty = one model
  CoefficientProvenance provenance;

  // The expert's set, or `set` for "" and for models without experts. Throws UserError for a name
  // that a model with experts does not have.
  const CoefficientSet& ForExpert(const std::string& expert) const;
};

// Throws UserError naming the file for anything that is not a valid coefficients file: JSON,
// format, version, unknown fields, empty or non-finite coefficients, a range with x_min > x_max.
Coefficients ReadCoefficients(const std::string& path);
Coefficients ParseCoefficients(const std::string& text, const std::string& where);

// Throws UserError for what ReadCoefficients would refuse. WriteCoefficients writes a temporary
// file beside `path` and renames it.
std::string CoefficientsToJson(const Coefficients& coefficients);
void WriteCoefficients(const std::string& path, const Coefficients& coefficients);

}  // namespace teacache
