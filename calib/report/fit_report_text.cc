#include "calib/report/fit_report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "calib/fit/polynomial.h"

namespace teacache {
namespace {

std::string Cut(const std::string& name) {
  return name.size() <= 40 ? name : name.substr(0, 37) + "...";
}

std::string QualityHeader() {
  return fmt::format("  {:<28}{:>9} {:>9} {:>9} {:>9} {:>9} {:>8}\n",
                     "",
                     "R2",
                     "RMSE",
                     "MAE",
                     "Pearson",
                     "Spearman",
                     "pairs");
}

std::string QualityText(const char* name, const FitQuality& q) {
  return fmt::format("  {:<28}{:>9.4f} {:>9.4g} {:>9.4g} {:>9.3f} {:>9.3f} {:>8}\n",
                     name,
                     q.r2,
                     q.rmse,
                     q.mae,
                     q.pearson,
                     q.spearman,
                     q.n);
}

std::string LeftOutText(const PairSet& pairs) {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : pairs.left_out) parts.push_back(Describe(reason, count));
  return parts.empty() ? "" : fmt::format("  left out: {}\n", fmt::join(parts, "; "));
}

std::string WarningsText(const std::vector<std::string>& warnings) {
  std::string text;
  for (const std::string& warning : warnings) text += "  ! " + warning + "\n";
  return text;
}

std::string ReplayText(const EngineRule& rule,
                       const CalibrationData& data,
                       const ReplaySummary& replay) {
  std::string text = fmt::format(
      "Schedule by {}'s rule at threshold {:.6g}: {:.4g} of {} calls skipped, predicted speed-up "
      "{:.3f}{}\n"
      "  95 % interval {:.4g} to {:.4g} skips; runs {} to {}; longest run of skips {}\n",
      rule.name,
      replay.threshold,
      replay.mean_skips,
      data.replay->calls,
      replay.speedup,
      data.replay->ms_call > 0 ? "" : " (no times were recorded: skipped calls count as free)",
      replay.skips95.lo,
      replay.skips95.hi,
      replay.min_skips,
      replay.max_skips,
      replay.longest_run);
  if (replay.disagreement > 0) {
    text += fmt::format("  the branches decide differently at {:.1f} % of the calls\n",
                        100 * replay.disagreement);
  }
  text += data.replay->time_only
              ? "  the signal depends on time only: the schedule is exact\n"
              : "  an approximation: the signal was recorded without skips, and drifts after one\n";
  return text;
}

// Other rules, those with the same number of skips together.
std::string EnginesText(const EngineRule& own, const std::vector<EngineReplay>& engines) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const EngineReplay& engine : engines) {
    if (engine.engine == own.name) continue;
    const std::string skips = fmt::format("{:.4g}", engine.point.mean_skips);
    const auto it = std::find_if(
        groups.begin(), groups.end(), [&](const auto& group) { return group.first == skips; });
    if (it == groups.end()) {
      groups.push_back({skips, {engine.engine}});
    } else {
      it->second.push_back(engine.engine);
    }
  }
  std::string text;
  for (const auto& [skips, names] : groups) {
    text += fmt::format("{}{} by {}", text.empty() ? "" : "; ", skips, fmt::join(names, ", "));
  }
  return text.empty() ? "" : "  other rules skip " + text + "\n";
}

std::string DegreesText(const Diagnostics& d, bool robust) {
  const auto figure = [&](const CrossValidation& cv) {
    return robust ? fmt::format("{:.4g}", cv.mae) : fmt::format("{:.3f}", cv.r2);
  };
  std::string text = fmt::format("  left-out {} by degree:", robust ? "MAE" : "R2");
  for (size_t i = 0; i < d.degrees.size(); ++i) {
    text += fmt::format("{} {}: {}", i > 0 ? "," : "", i + 1, figure(d.degrees[i]));
  }
  text += "; without a polynomial:";
  for (size_t i = 0; i < d.baselines.size(); ++i) {
    const std::string& name = d.baselines[i].name;
    if (name == "step" && d.steps.empty()) continue;  // the steps are not known
    text += fmt::format("{} {} {}",
                        i > 0 ? "," : "",
                        name == "step" ? "step number" : name,
                        figure(d.baselines[i]));
  }
  return text + "\n";
}

std::string IntervalsText(const Diagnostics& d) {
  if (!(d.r2.width() > 0)) return "";
  const BandPoint& middle = d.band[d.band.size() / 2];
  return fmt::format(
      "  95 % intervals over {}s: R2 {:.3f} to {:.3f}, f({:.3g}) = {:.4g} [{:.4g}, "
      "{:.4g}]\n",
      d.groups,
      d.r2.lo,
      d.r2.hi,
      middle.x,
      middle.f,
      middle.lo,
      middle.hi);
}

std::string LearningText(const Diagnostics& d) {
  for (const LearningPoint& half : d.learning) {
    if (half.prompts != d.num_groups / 2 || d.learning.size() < 2) continue;
    return fmt::format(
        "  {}: error {:.4g} from {} {}s, {:.4g} from {}\n",
        d.enough_prompts ? "more prompts would hardly help" : "more prompts would help",
        half.rmse,
        half.prompts,
        d.groups,
        d.learning.back().rmse,
        d.learning.back().prompts);
  }
  return "";
}

std::string DriftText(const Diagnostics& d) {
  std::string text;
  for (const Drift& drift : d.drift) {
    if (drift.groups < 2) continue;
    text +=
        fmt::format("  {}{}s differ by {:.0f} % of what f leaves unexplained, most: {} ({:.3g})\n",
                    drift.group,
                    drift.group == "branch" ? "e" : "",
                    100 * drift.share,
                    Cut(drift.largest_name),
                    drift.largest);
  }
  return text;
}

std::string CarryingText(const Diagnostics& d) {
  const auto step = std::find_if(d.steps.begin(), d.steps.end(), [&](const StepDiagnostics& s) {
    return s.call == *d.carrying_call;
  });
  return fmt::format(
      "one step carries this fit: without call {} R2 is {:.3f} (it has {:.0f} % of the leverage)",
      *d.carrying_call,
      step->r2_without,
      100 * step->leverage);
}

// What a person would do now.
std::string NextText(const FitCoeffsResult& result, const FittedExpert& expert) {
  const Diagnostics& d = expert.diagnostics;
  const bool fixed_is_better = d.verdict == Verdict::kUseSteps || d.verdict == Verdict::kNoSignal;
  if (fixed_is_better) {
    if (expert.static_mask.empty()) {
      return "--target-skips N (or --target-speedup) shows a fixed schedule with as many skips; "
             "--emit cache-dit, sd-cpp, smoothcache or magcache writes it";
    }
    return fmt::format(
        "compare with the fixed schedule {} (--emit cache-dit, sd-cpp or "
        "smoothcache) or with magcache",
        ScheduleText(expert.static_mask));
  }
  if (d.verdict == Verdict::kWrongData) return "record again";
  if (d.verdict == Verdict::kLineSuffices) return "--degree 1, or --degree auto";
  if (d.verdict == Verdict::kTooFew) {
    return "more prompts; until then a published set may serve (fit-coeffs score --coeffs NAME)";
  }
  if (!expert.replay) return "choose a threshold: --target-speedup X or --target-skips N";
  if (result.written.empty()) {
    return "--out FILE for generate-videos, --emit FORMAT for an engine (fit-coeffs list), "
           "--report FILE.html to look at it";
  }
  return "";
}

std::string ExpertText(const FitCoeffsResult& result, const FittedExpert& expert) {
  const Diagnostics& d = expert.diagnostics;
  std::string text;
  if (!expert.data.expert.empty()) text += fmt::format("expert {}\n", expert.data.expert);
  text += FormatCoefficients(expert.fit.polynomial.coefficients()) + "\n";
  text += "Verdict: " + d.verdict_text + "\n";
  const std::string next = NextText(result, expert);
  if (!next.empty()) text += "Next: " + next + ".\n";
  text += "Fit: " + expert.fit.BriefReport() + "\n";
  if (expert.options.constrained()) {
    text +=
        fmt::format("  exported polynomial differs from the constrained form by at most {:.2g}\n",
                    expert.fit.round_trip_error);
  }
  text += QualityHeader();
  text += QualityText("calls that may be skipped", d.window);
  if (d.all.n != d.window.n) text += QualityText("all calls", d.all);
  text += fmt::format("  {:<28}{:>9.4f} {:>9.4g} {:>9.4g}\n",
                      fmt::format("each {} left out once", d.groups),
                      d.cv.r2,
                      d.cv.rmse,
                      d.cv.mae);
  text += LeftOutText(expert.data.all);
  text += DegreesText(d, expert.options.robust());
  text += IntervalsText(d);
  text += LearningText(d);
  text += DriftText(d);
  if (d.carrying_call) text += "  ! " + CarryingText(d) + "\n";
  text += WarningsText(expert.engine_warnings);
  for (const SignConsequence& sign : expert.signs) {
    text += fmt::format("  where f < 0: {} {}\n", fmt::join(sign.engines, ", "), sign.text);
  }
  if (expert.useful) text += "  " + expert.useful->text + "\n";
  if (expert.replay) {
    text += ReplayText(result.rule, expert.data, *expert.replay);
    text += EnginesText(result.rule, expert.engines);
  }
  return text;
}

// A plain word about given coefficients.
std::string ScoreVerdict(const ScoredExpert& expert) {
  const FitQuality& own = expert.window;
  const FitQuality& refit = expert.refit;
  if (own.rmse <= 1.05 * refit.rmse) {
    return "They predict the change here as well as a fit to this trace would.";
  }
  if (own.r2 > 0) {
    return fmt::format(
        "They predict the change here (R2 {:.3f}), a fit to this trace better ({:.3f}).",
        own.r2,
        refit.r2);
  }
  // By rank, too: a few far points make a correlation alone.
  if (own.pearson > 0.8 * refit.pearson && own.spearman > 0.8 * refit.spearman &&
      own.spearman > 0.3) {
    return fmt::format(
        "They follow the change (correlation {:.2f}, {:.2f} is possible) on another "
        "scale (R2 {:.2f}): thresholds published for them do not hold here.",
        own.pearson,
        refit.pearson,
        own.r2);
  }
  return fmt::format(
      "They predict the change worse than a constant (R2 {:.2f}): do not use them with this model.",
      own.r2);
}

}  // namespace

std::string FitReportText(const FitCoeffsResult& result) {
  std::string text;
  for (const FittedExpert& expert : result.experts) text += ExpertText(result, expert);
  // The schedule reports a target of skips or speed-up that was reached.
  if (!result.threshold_text.empty() && (result.quality_target || !result.threshold_reached)) {
    text += "Threshold: " + result.threshold_text + "\n";
  }
  return text;
}

std::string ScoreReportText(const ScoreResult& result) {
  std::string text = FormatCoefficients(result.set.coefficients) + "\n";
  if (!result.mismatch.empty()) text += "Verdict: " + result.mismatch + ".\n";
  for (const ScoredExpert& expert : result.experts) {
    if (!result.mismatch.empty()) break;  // the model is not to blame
    text += fmt::format("Verdict{}: {}\n",
                        expert.data.expert.empty() ? "" : " for expert " + expert.data.expert,
                        ScoreVerdict(expert));
  }
  if (!result.provenance.source.empty()) {
    text += fmt::format("  {}{}\n",
                        result.provenance.model.empty() ? "" : result.provenance.model + ", ",
                        result.provenance.source);
  }
  if (!result.provenance.modulated.empty()) {
    text += fmt::format("  x is of: {}\n", result.provenance.modulated);
  }
  for (const Likeness& likeness : result.likenesses) {
    // Of a set that was asked for by its name this is no news.
    const bool named = likeness.kind == Likeness::Kind::kSame &&
                       FindPublishedSet(likeness.name).title == result.provenance.model;
    if (!named) text += "  " + likeness.text + "\n";
  }
  text += QualityHeader();
  for (const ScoredExpert& expert : result.experts) {
    if (!expert.data.expert.empty()) text += fmt::format("expert {}\n", expert.data.expert);
    text += QualityText("calls that may be skipped", expert.window);
    if (expert.all.n != expert.window.n) text += QualityText("all calls", expert.all);
    text += QualityText("a fit to this trace", expert.refit);
    if (expert.outside > 0) {
      text += fmt::format("  ! {:.1f} % of the pairs are outside the calibrated range of x\n",
                          100 * expert.outside);
    }
    if (expert.replay) text += ReplayText(result.rule, expert.data, *expert.replay);
  }
  return text + WarningsText(result.engine_warnings);
}

}  // namespace teacache
