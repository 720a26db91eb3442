#include "calib/diagnosis/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace teacache {
namespace {

constexpr int kFewestPrompts = 3;
constexpr int kFewestPairsPerCoefficient = 10;
constexpr const char* kRecord =
    "Record at least 10 prompts, better 50 or more, and fit all of them at once";

// Why nothing can be said; "" where it can.
std::string TooFew(const Evidence& evidence) {
  constexpr const char* kCannot = "The quality of this fit cannot be judged";
  if (evidence.means) {
    return fmt::format(
        "{}: the pairs are means over prompts, which hide how much prompts differ. {}, each with "
        "its own pairs (a trace of record-diffs, or CSV with a column \"prompt\").",
        kCannot,
        kRecord);
  }
  if (evidence.prompts > 0 && evidence.prompts < kFewestPrompts) {
    return fmt::format(
        "{} from {}: what another prompt would give is unknown, and so is how far these "
        "coefficients can be trusted. {} (record-diffs --prompts; in CSV the column \"prompt\").",
        kCannot,
        evidence.prompts == 1 ? "one prompt" : fmt::format("{} prompts", evidence.prompts),
        kRecord);
  }
  if (evidence.pairs < kFewestPairsPerCoefficient * evidence.coefficients) {
    return fmt::format("{}: {} pairs are too few for {} coefficients (at least {}). {}.",
                       kCannot,
                       evidence.pairs,
                       evidence.coefficients,
                       kFewestPairsPerCoefficient * evidence.coefficients,
                       kRecord);
  }
  return "";
}

// Whether x is the same, but for rounding, in every prompt's runs at each call. False where there
// is nothing to compare.
bool IsSchedule(const PairSet& set) {
  constexpr double kRounding = 1e-6;
  struct Range {
    double low;
    double high;
    std::set<int> prompts;
  };
  std::map<std::tuple<int, int, int>, Range> calls;
  for (const Pair& pair : set.pairs) {
    Range& own = calls.try_emplace({pair.branch, pair.part, pair.call}, Range{pair.x, pair.x, {}})
                     .first->second;
    own.low = std::min(own.low, pair.x);
    own.high = std::max(own.high, pair.x);
    own.prompts.insert(pair.prompt);
    if (own.high - own.low > kRounding * own.high) return false;
  }
  return std::ranges::any_of(calls,
                             [](const auto& call) { return call.second.prompts.size() > 1; });
}

}  // namespace

Evidence EvidenceOf(const PairSet& fitted, const FitOptions& options) {
  std::set<int> prompts;
  for (const Pair& pair : fitted.pairs) prompts.insert(pair.prompt);
  Evidence evidence;
  evidence.pairs = static_cast<int64_t>(fitted.pairs.size());
  evidence.coefficients = options.degree + (options.through_origin ? 0 : 1);
  evidence.means = fitted.means;
  evidence.steps = fitted.calls > 0;
  evidence.schedule = evidence.steps && !fitted.means && IsSchedule(fitted);
  evidence.wrong = fitted.wrong;
  evidence.prompts = PromptsKnown(fitted) ? static_cast<int>(prompts.size()) : 0;
  return evidence;
}

Judgement Judge(const FitOptions& options,
                const Evidence& evidence,
                const CrossValidation& fit,
                const CrossValidation& constant,
                const CrossValidation& line,
                const CrossValidation& step) {
  if (!evidence.wrong.empty()) return {Verdict::kWrongData, evidence.wrong};
  if (const std::string reason = TooFew(evidence); !reason.empty()) {
    return {Verdict::kTooFew, reason};
  }
  if (evidence.schedule) {
    return {
        Verdict::kUseSteps,
        "The signal is the same in every run at each call, as that of a time embedding is: what "
        "these coefficients make is a fixed schedule, which does not adapt to the video. Use "
        "them where an engine takes nothing else; a mask or MagCache's ratios say it directly."};
  }
  const double own = ErrorOf(fit, options);
  const double of_constant = ErrorOf(constant, options);
  const double of_line = ErrorOf(line, options);
  const double of_step = ErrorOf(step, options);
  // What the sentences report: R2, or the error where outliers spoil R2.
  const bool robust = options.robust();
  const auto shown = [&](const CrossValidation& cv) { return robust ? cv.mae : cv.r2; };
  const char* const figure = robust ? "mean absolute error" : "R2";
  const bool step_wins = evidence.steps && of_step < 0.95 * own && of_step < 0.95 * of_constant;
  if (step_wins) {
    return {
        Verdict::kUseSteps,
        fmt::format(
            "The step number alone predicts the change better (cross-validated {} {:.3g}) than the "
            "polynomial of the signal ({:.3g}). A fixed schedule or MagCache's ratios are likely "
            "to do "
            "at least as well as these coefficients.",
            figure,
            shown(step),
            shown(fit))};
  }
  if (own >= 0.99 * of_constant) {
    return {
        Verdict::kNoSignal,
        fmt::format("The signal does not predict the change: the cross-validated error ({:.4g}) "
                    "is that of a constant ({:.4g}). These coefficients skip at random; do not "
                    "use them.",
                    own,
                    of_constant)};
  }
  if (options.degree > 1 && of_line <= 1.01 * own) {
    return {Verdict::kLineSuffices,
            fmt::format("The signal predicts the change with a cross-validated {} of {:.3g}, and a "
                        "straight line does it as well ({:.3g}). Degree 1 is the safer choice: it "
                        "cannot bend outside the observed range.",
                        figure,
                        shown(fit),
                        shown(line))};
  }
  const std::string by_step =
      evidence.steps ? fmt::format(", step number {:.3g}", shown(step)) : "";
  return {
      Verdict::kUse,
      fmt::format("The polynomial predicts the change with a cross-validated {} of {:.3g} (line "
                  "{:.3g}{}). It is usable for x between the ends of the observed range{}.",
                  figure,
                  shown(fit),
                  shown(line),
                  by_step,
                  evidence.prompts > 0
                      ? ""
                      : ", if the pairs come from many prompts, which the file does not say")};
}

std::string ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUse:
      return "use";
    case Verdict::kLineSuffices:
      return "line suffices";
    case Verdict::kUseSteps:
      return "use steps";
    case Verdict::kNoSignal:
      return "no signal";
    case Verdict::kTooFew:
      return "too few data";
    case Verdict::kWrongData:
      return "wrong data";
  }
  return "use";
}

}  // namespace teacache
