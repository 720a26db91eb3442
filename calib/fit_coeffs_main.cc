#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "calib/fit_coeffs.h"
#include "datasets/error.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Fits the polynomial of TeaCache: relative change of the model's output as a function of the "
      "relative change of its modulated input. Coefficients are printed highest power first.");
  teacache::FitCoeffsOptions options;
  std::string target = "residual";
  std::string branch = "all";
  std::string method = "polyfit";
  app.add_option("traces", options.traces, "Trace files of record-diffs (.jsonl), merged")
      ->required();
  app.add_option("--out", options.out, "Coefficients file to write (.json)");
  app.add_option("--degree", options.fit.degree, "Degree of the polynomial")->capture_default_str();
  app.add_option("--target", target, "What f predicts: residual or output")->capture_default_str();
  app.add_option("--branch", branch, "Guidance branches: all, worst, average, cond or uncond")
      ->capture_default_str();
  app.add_option("--method", method, "polyfit, ceres, huber, cauchy or tukey")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 2;
  }
  try {
    options.pairs.target = teacache::ParseTarget(target);
    options.pairs.branches = teacache::ParseBranches(branch);
    options.fit.method = teacache::ParseMethod(method);
    const teacache::FitCoeffsResult result = teacache::RunFitCoeffs(options);
    for (const std::string& warning : result.warnings) {
      fmt::print(stderr, "warning: {}\n", warning);
    }
    fmt::print("{}\n{}\n",
               result.fit.BriefReport(),
               teacache::FormatCoefficients(result.fit.polynomial.coefficients()));
  } catch (const teacache::UserError& e) {
    fmt::print(stderr, "fit-coeffs: {}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "fit-coeffs: {}\n", e.what());
    return 1;
  }
  return 0;
}
