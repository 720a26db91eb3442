#include "calib/replay/engine_warnings.h"

#include <fmt/format.h>

namespace teacache {
namespace {

std::string RangesText(const std::vector<Interval>& ranges) {
  std::string text;
  for (const Interval& range : ranges) {
    text += fmt::format("{}[{:.4g}, {:.4g}]", text.empty() ? "" : " and ", range.lo, range.hi);
  }
  return text;
}

const char* SignText(EngineRule::Sign sign) {
  switch (sign) {
    case EngineRule::Sign::kRaw:
      return "adds it raw: the accumulator falls, and larger changes make skips more likely";
    case EngineRule::Sign::kAbsolute:
      return "adds |f|: the more negative, the sooner it computes";
    case EngineRule::Sign::kClamp:
      return "counts it as 0: such calls are skipped for nothing";
  }
  return "";
}

}  // namespace

std::vector<std::string> EngineWarnings(const CoefficientSet& set,
                                        const EngineRule& rule,
                                        const Interval& observed) {
  const Polynomial f(set.coefficients);
  const bool known = set.x_max > set.x_min;
  const bool seen = observed.width() > 0;
  // Without either: where the signal of published models lies.
  const Interval range = known  ? Interval{set.x_min, set.x_max}
                         : seen ? observed
                                : Interval{0, 0.6};
  std::vector<std::string> warnings;
  const std::vector<Interval> negative = NegativeStretches(f, range);
  if (!negative.empty()) {
    warnings.push_back(fmt::format(
        "f is negative for x in {}; {} {}.", RangesText(negative), rule.name, SignText(rule.sign)));
  }
  const std::vector<Interval> decreasing = DecreasingStretches(f, range);
  if (!decreasing.empty()) {
    warnings.push_back(fmt::format(
        "f decreases for x in {}: there a larger change of the input predicts a smaller "
        "change of the output.",
        RangesText(decreasing)));
  }
  if (!known) {
    warnings.push_back(fmt::format("The calibrated range of x is not known; {} was looked at.",
                                   seen ? "the observed one" : "[0, 0.6]"));
  } else if (!rule.guards_range) {
    warnings.push_back(
        fmt::format("{} does not guard the calibrated range [{:.4g}, {:.4g}] of x: "
                    "outside it f is a guess.",
                    rule.name,
                    range.lo,
                    range.hi));
  }
  return warnings;
}

std::vector<SignConsequence> SignConsequences(const Polynomial& f, const Interval& range) {
  std::vector<SignConsequence> consequences;
  if (NegativeStretches(f, range).empty()) return consequences;
  using Sign = EngineRule::Sign;
  for (Sign sign : {Sign::kRaw, Sign::kAbsolute, Sign::kClamp}) {
    SignConsequence consequence;
    consequence.text = SignText(sign);
    for (const EngineRule& rule : EngineRules()) {
      if (rule.sign == sign) consequence.engines.push_back(rule.name);
    }
    consequences.push_back(std::move(consequence));
  }
  return consequences;
}

}  // namespace teacache
