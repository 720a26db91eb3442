#pragma once

#include <span>
#include <string>
#include <vector>

namespace teacache {

// Quality gates: what --require of every program asks of the scores of a set of items (videos).
//
//   METRIC[.STATISTIC] >=|>|<=|< NUMBER     "psnr>=28", "ssim.p5 >= 0.94", "lpips.worst<=0.2"
//
// STATISTIC over the items, default mean:
//   mean        of the finite values, as in tables; infinite when all are
//   median, p5, p95, min, max   order statistics of all values, interpolated as numpy does; beside
//                               an infinite value the nearer one
//   worst       the lowest value where higher is better, otherwise the highest
// An item that is identical to its reference has an infinite PSNR, so it satisfies any "psnr>=x".

struct Requirement {
  std::string text;  // as given, for messages
  std::string metric;
  std::string statistic = "mean";
  std::string comparison;  // ">=", ">", "<=", "<"
  double bound = 0;
};

// Throws UserError for anything else.
Requirement ParseRequirement(const std::string& text);
std::vector<Requirement> ParseRequirements(const std::vector<std::string>& texts);

// Whether one set of scores meets a requirement.
struct RequirementOutcome {
  std::string requirement;  // Requirement::text
  std::string of;           // which set, for messages: "" = the only one
  bool missing = false;     // nothing was scored by this metric
  bool met = false;
  std::string statistic;
  double value = 0;  // of the statistic; may be infinite; NaN when missing

  // "psnr>=28 failed: the mean is 26.4713", "... failed: no video has this metric".
  std::string Text() const;
};

// `values`: one per item that has this metric.
RequirementOutcome CheckRequirement(const Requirement& requirement,
                                    std::span<const double> values,
                                    bool higher_is_better,
                                    const std::string& of = "");

// The exit code of a program: `code` where it is not 0; 1 when a required metric is missing, 3 when
// a requirement is not met, otherwise 0.
int ExitCodeOf(const std::vector<RequirementOutcome>& outcomes, int code);

// One line per requirement that is not met; "" = none.
std::string BreachLines(const std::vector<RequirementOutcome>& outcomes);

// For --help of every program.
inline constexpr const char* kRequireHelp =
    "A limit that the scores must keep, as \"psnr>=28\" or \"ssim.p5>=0.94\": a metric, perhaps one "
    "of .mean .median .min .max .p5 .p95 .worst (default mean, over videos), and >=, >, <= or < a "
    "number; may be given several times. Exit code 3 when everything was scored and a limit is not "
    "kept, 1 when the metric is missing";

}  // namespace teacache
