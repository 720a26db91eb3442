#include "calib/fit_coeffs.h"

#include <filesystem>
#include <set>
#include <utility>

#include "datasets/error.h"
#include "datasets/trace.h"

namespace teacache {
namespace {

CoefficientSet MakeSet(const FitSummary& fit) {
  CoefficientSet set;
  set.coefficients = fit.polynomial.coefficients();
  set.x_min = fit.x.lo;
  set.x_max = fit.x.hi;
  set.stats["r2"].value = fit.r2;
  set.stats["rmse"].value = fit.rmse;
  return set;
}

CoefficientProvenance MakeProvenance(const Trace& trace,
                                     const FitCoeffsOptions& options,
                                     int64_t pairs) {
  const TraceHeader& header = trace.header;
  CoefficientProvenance p;
  p.model = header.model;
  p.modulated = header.modulated;
  p.target = ToString(options.pairs.target);
  p.branches = ToString(options.pairs.branches);
  p.method = ToString(options.fit.method);
  p.scheduler = header.scheduler;
  p.dtype = header.dtype;
  p.prompts_digest = header.prompts_digest;
  p.tool_version = header.tool_version;
  p.guidance = header.guidance;
  p.steps = header.steps;
  p.calls = header.calls;
  p.width = header.width;
  p.height = header.height;
  p.frames = header.frames;
  p.pairs = pairs;
  std::set<std::string> prompts;
  std::set<std::pair<std::string, int64_t>> runs;
  for (const TraceRow& row : trace.rows) {
    prompts.insert(row.prompt);
    runs.emplace(row.prompt, row.seed);
  }
  p.prompts = static_cast<int64_t>(prompts.size());
  p.runs = static_cast<int64_t>(runs.size());
  for (const std::string& path : options.traces) {
    p.traces.push_back(std::filesystem::path(path).filename().string());
  }
  return p;
}

}  // namespace

FitCoeffsResult RunFitCoeffs(const FitCoeffsOptions& options) {
  if (options.traces.empty())
    ThrowUserError("fit-coeffs", "must have at least one trace but has none");
  options.fit.Validate();
  std::vector<Trace> traces;
  for (const std::string& path : options.traces) traces.push_back(ReadTrace(path));
  const Trace trace = MergeTraces(traces, options.traces);

  FitCoeffsResult result;
  result.warnings = trace.warnings;
  const PairSet pairs = ExtractPairs(trace, options.pairs);
  result.warnings.insert(result.warnings.end(), pairs.warnings.begin(), pairs.warnings.end());
  result.fit = FitPolynomial(Xs(pairs), Ys(pairs), options.fit);
  result.coefficients.set = MakeSet(result.fit);
  const std::vector<std::string> experts = Experts(trace);
  if (experts.size() > 1 && !options.pairs.expert) {
    for (const std::string& expert : experts) {
      PairOptions only = options.pairs;
      only.expert = expert;
      const PairSet own = ExtractPairs(trace, only);
      result.coefficients.experts[expert] = MakeSet(FitPolynomial(Xs(own), Ys(own), options.fit));
    }
  }
  result.coefficients.provenance =
      MakeProvenance(trace, options, static_cast<int64_t>(pairs.pairs.size()));
  if (!options.out.empty()) WriteCoefficients(options.out, result.coefficients);
  return result;
}

}  // namespace teacache
