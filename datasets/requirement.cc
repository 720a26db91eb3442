#include "datasets/requirement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "datasets/base/error.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

constexpr const char* kStatistics[] = {"mean", "median", "p5", "p95", "min", "max", "worst"};
constexpr double kInf = std::numeric_limits<double>::infinity();

std::string WithoutSpaces(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
  return text;
}

// Interpolated between neighbours; where one of them is infinite, the nearer one.
double PercentileWithInfinities(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const double at = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const double weight = at - static_cast<double>(below);
  if (weight == 0 || values[below] == values[below + 1]) return values[below];
  if (std::isinf(values[below]) || std::isinf(values[below + 1])) {
    return values[weight < 0.5 ? below : below + 1];
  }
  return PercentileOfSorted(values, p);
}

double MeanOfFinite(std::span<const double> values) {
  const std::vector<double> finite = Finite(values);
  return finite.empty() ? values.front() : Mean(finite);
}

double StatisticOf(const std::string& name, std::span<const double> values, bool higher) {
  const std::vector<double> all(values.begin(), values.end());
  if (name == "mean") return MeanOfFinite(values);
  if (name == "median") return PercentileWithInfinities(all, 0.5);
  if (name == "p5") return PercentileWithInfinities(all, 0.05);
  if (name == "p95") return PercentileWithInfinities(all, 0.95);
  const bool lowest = name == "min" || (name == "worst" && higher);
  return lowest ? *std::min_element(all.begin(), all.end())
                : *std::max_element(all.begin(), all.end());
}

bool Compare(double value, const std::string& comparison, double bound) {
  if (comparison == ">=") return value >= bound;
  if (comparison == ">") return value > bound;
  if (comparison == "<=") return value <= bound;
  return value < bound;
}

}  // namespace

Requirement ParseRequirement(const std::string& given) {
  const std::string text = WithoutSpaces(given);
  const auto fail = [&](const std::string& what) {
    ThrowUserError("--require",
                   "must be like \"psnr>=28\" or \"ssim.p5>=0.94\" but in \"{}\" {}",
                   given,
                   what);
  };
  Requirement requirement;
  requirement.text = text;
  const size_t at = text.find_first_of("<>=");
  if (at == std::string::npos) fail("is no >=, >, <= or <");
  const size_t end = text.find_first_not_of("<>=", at);
  requirement.comparison = text.substr(at, end == std::string::npos ? end : end - at);
  if (requirement.comparison != ">=" && requirement.comparison != ">" &&
      requirement.comparison != "<=" && requirement.comparison != "<") {
    fail(fmt::format("\"{}\" is not >=, >, <= or <", requirement.comparison));
  }
  const std::string number = end == std::string::npos ? "" : text.substr(end);
  char* rest = nullptr;
  requirement.bound = std::strtod(number.c_str(), &rest);
  if (number.empty() || *rest != '\0' || !std::isfinite(requirement.bound)) {
    fail(fmt::format("\"{}\" is not a number", number));
  }
  const std::string left = text.substr(0, at);
  const size_t dot = left.rfind('.');
  requirement.metric = left.substr(0, dot);
  if (dot != std::string::npos) requirement.statistic = left.substr(dot + 1);
  if (requirement.metric.empty()) fail("is no metric");
  if (std::ranges::find(kStatistics, requirement.statistic) == std::end(kStatistics)) {
    fail(fmt::format("\"{}\" is none of {}", requirement.statistic, fmt::join(kStatistics, ", ")));
  }
  return requirement;
}

std::vector<Requirement> ParseRequirements(const std::vector<std::string>& texts) {
  std::vector<Requirement> requirements;
  for (const std::string& text : texts) requirements.push_back(ParseRequirement(text));
  return requirements;
}

RequirementOutcome CheckRequirement(const Requirement& requirement,
                                    std::span<const double> values,
                                    bool higher_is_better,
                                    const std::string& of) {
  RequirementOutcome outcome;
  outcome.requirement = requirement.text;
  outcome.of = of;
  outcome.statistic = requirement.statistic;
  outcome.missing = values.empty();
  outcome.value = values.empty() ? std::numeric_limits<double>::quiet_NaN()
                                 : StatisticOf(requirement.statistic, values, higher_is_better);
  outcome.met =
      !values.empty() && Compare(outcome.value, requirement.comparison, requirement.bound);
  return outcome;
}

std::string RequirementOutcome::Text() const {
  const std::string where = of.empty() ? "" : of + ": ";
  if (missing) return fmt::format("{}{} failed: nothing was scored by it", where, requirement);
  const std::string number = value == kInf ? "inf" : fmt::format("{:.6g}", value);
  return fmt::format(
      "{}{} {}: the {} is {}", where, requirement, met ? "holds" : "failed", statistic, number);
}

int ExitCodeOf(const std::vector<RequirementOutcome>& outcomes, int code) {
  if (code != 0) return code;
  const auto missing = [](const RequirementOutcome& outcome) { return outcome.missing; };
  const auto met = [](const RequirementOutcome& outcome) { return outcome.met; };
  if (std::ranges::any_of(outcomes, missing)) return 1;
  return std::ranges::all_of(outcomes, met) ? 0 : 3;
}

std::string BreachLines(const std::vector<RequirementOutcome>& outcomes) {
  std::string text;
  for (const RequirementOutcome& outcome : outcomes) {
    if (!outcome.met) text += outcome.Text() + "\n";
  }
  return text;
}

}  // namespace teacache
