#include "calib/verdict.h"

#include <fmt/format.h>

namespace teacache {

Judgement Judge(const FitOptions& options,
                const CrossValidation& fit,
                const CrossValidation& constant,
                const CrossValidation& line,
                const CrossValidation& step) {
  const double own = ErrorOf(fit, options);
  const double of_constant = ErrorOf(constant, options);
  const double of_line = ErrorOf(line, options);
  const double of_step = ErrorOf(step, options);
  // What the sentences tell: R2, or where outliers spoil it the error.
  const bool robust = options.robust();
  const auto shown = [&](const CrossValidation& cv) { return robust ? cv.mae : cv.r2; };
  const char* const figure = robust ? "mean absolute error" : "R2";
  const bool step_wins = of_step < 0.95 * own && of_step < 0.95 * of_constant;
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
  return {
      Verdict::kUse,
      fmt::format("The polynomial predicts the change with a cross-validated {} of {:.3g} (line "
                  "{:.3g}, step number {:.3g}). It is usable for x between the ends of the "
                  "observed range.",
                  figure,
                  shown(fit),
                  shown(line),
                  shown(step))};
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
  }
  return "use";
}

}  // namespace teacache
