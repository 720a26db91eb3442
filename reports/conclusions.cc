#include "reports/conclusions.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reports/labels.h"

namespace teacache {
namespace {

constexpr std::string_view kTeaCache = "teacache";

// "a", "a and b", "a, b and c".
std::string Listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::string Plural(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool IsTeaCache(const SweepRow& row) { return row.policy == kTeaCache && row.threshold; }

// With several models in one report every sentence says which one it is about.
std::string Prefix(const SweepReport& report, const SweepModel& model) {
  return report.models.size() > 1 ? model.name + ": " : "";
}

// "Recommended: threshold 0.1 ..." or why none is.
std::string Recommendation(const SweepReport& report,
                           const SweepModel& model,
                           const ConclusionOptions& options) {
  const SweepRow* row = RecommendedRow(report, model.name, options);
  if (!row) {
    return fmt::format(
        "No threshold of this sweep keeps the worst 5 % of the videos at {} dB or more; choose "
        "from "
        "the curves below.",
        Short(options.psnr_floor));
  }
  return fmt::format(
      "Threshold {} is the largest whose worst 5 % of videos keep {} dB: {} of {} calls are "
      "computed, "
      "{} faster end to end, PSNR {} dB on average and {} dB for the worst 5 %.",
      Short(*row->threshold),
      Short(options.psnr_floor),
      Fixed(row->computed_mean, 1),
      row->calls,
      SpeedupText(row->speedup_total),
      MetricText(row->psnr, 1),
      Fixed(row->psnr->p5, 1));
}

struct Tally {
  std::vector<std::string> better, same, worse;
};

std::string WithDifference(const SweepRow& row, const SweepComparison& comparison) {
  const std::string threshold = Short(*row.threshold);
  if (comparison.psnr)
    return fmt::format("{} ({} dB)", threshold, Signed(comparison.psnr->mean, 1));
  if (comparison.ssim)
    return fmt::format("{} (SSIM {})", threshold, Signed(comparison.ssim->mean, 4));
  return threshold;
}

Tally Count(const SweepReport& report, const SweepModel& model, const std::string& policy) {
  Tally tally;
  for (const SweepRow& row : report.rows) {
    if (row.model != model.name || !IsTeaCache(row)) continue;
    const SweepComparison* comparison = FindComparison(report, row.id, policy);
    if (!comparison || (!comparison->psnr && !comparison->ssim)) continue;
    const int verdict = Verdict(*comparison);
    auto& list = verdict > 0 ? tally.better : verdict < 0 ? tally.worse : tally.same;
    list.push_back(WithDifference(row, *comparison));
  }
  return tally;
}

// "At equal computed calls, TeaCache is better than uniform skipping at ..., as good at ..."
std::string AgainstBaseline(const SweepReport& report,
                            const SweepModel& model,
                            const std::string& policy) {
  const Tally tally = Count(report, model, policy);
  const size_t total = tally.better.size() + tally.same.size() + tally.worse.size();
  if (total == 0) return "";
  const std::string label = PolicyLabel(policy);
  const auto at = [](const std::vector<std::string>& list) {
    return fmt::format("at threshold{} {}", list.size() == 1 ? "" : "s", Listed(list));
  };
  std::string text = "At equal computed calls TeaCache ";
  if (tally.better.size() == total) {
    return text + fmt::format("beats {} {}.", label, at(tally.better));
  }
  if (tally.better.empty()) text += fmt::format("does not beat {} at any threshold", label);
  std::vector<std::string> parts;
  if (!tally.better.empty()) parts.push_back(fmt::format("beats {} {}", label, at(tally.better)));
  if (!tally.same.empty()) {
    parts.push_back(fmt::format("cannot be told from it {}", at(tally.same)));
  }
  if (!tally.worse.empty()) parts.push_back(fmt::format("is worse {}", at(tally.worse)));
  return text + (tally.better.empty() ? ": it " : "") + Listed(parts) + ".";
}

std::string SignalSentence(const SweepFit& fit) {
  if (!fit.r2) return "";
  const std::string_view judgement = *fit.r2 >= 0.8 ? "is strong"
                                     : *fit.r2 >= 0.5
                                         ? "is moderate"
                                         : "is weak, so treat the thresholds with care";
  return fmt::format(
      "The signal {}: the polynomial of degree {} explains R² = {} of the change of the residual{} "
      "({} of {}).",
      judgement,
      static_cast<int>(fit.coefficients.size()) - 1,
      Fixed(fit.r2, 2),
      fit.pearson ? fmt::format(", Pearson {}", Fixed(fit.pearson, 2)) : "",
      Plural(fit.pairs.size(), "pair"),
      fit.name);
}

// Where the saved calls go: calls / computed calls against the measured speed-up.
std::string OverheadSentence(const SweepRow& row) {
  if (row.computed_mean <= 0 || row.total.n == 0 || row.transformer.n == 0) return "";
  const double fewer = row.calls / row.computed_mean;
  const double rest = row.total.median - row.transformer.median;
  return fmt::format(
      "At that threshold {}× fewer calls make the transformer {}× and the whole video {}× faster; "
      "{} of "
      "{} s are spent outside the transformer.",
      Fixed(fewer, 2),
      Fixed(row.speedup_transformer.value, 2),
      Fixed(row.speedup_total.value, 2),
      Fixed(std::max(rest, 0.0), 3),
      Fixed(row.total.median, 3));
}

double MeanShare(const SweepRow& row) {
  double sum = 0;
  for (const SweepShare& share : row.adherence) sum += share.share;
  return sum / static_cast<double>(row.adherence.size());
}

std::string AdherenceSentence(const SweepReport& report, const SweepModel& model) {
  const SweepRow* uncached = nullptr;
  const SweepRow* worst = nullptr;
  for (const SweepRow& row : report.rows) {
    if (row.model != model.name || row.adherence.empty()) continue;
    if (row.policy == "none") uncached = &row;
    if (IsTeaCache(row) && (!worst || MeanShare(row) < MeanShare(*worst))) worst = &row;
  }
  if (!uncached || !worst) return "";
  return fmt::format(
      "The uncached videos show what the prompt asks for in {} % of the judged properties; the "
      "lowest "
      "TeaCache setting is {} % (threshold {}).",
      Fixed(100 * MeanShare(*uncached), 0),
      Fixed(100 * MeanShare(*worst), 0),
      Short(*worst->threshold));
}

std::string PromptSentence(const SweepContext& context) {
  if (context.fit_prompts.empty() || context.test_prompts.empty()) return "";
  const std::set<std::string> fit(context.fit_prompts.begin(), context.fit_prompts.end());
  const auto shared = std::ranges::count_if(
      context.test_prompts, [&fit](const std::string& prompt) { return fit.contains(prompt); });
  if (shared > 0) {
    return fmt::format(
        "Caution: {} of {} test prompts were also used for the fit, so the quality is flattered.",
        shared,
        context.test_prompts.size());
  }
  return fmt::format("Fitted on {}, scored on {} others.",
                     Plural(context.fit_prompts.size(), "prompt"),
                     context.test_prompts.size());
}

std::string FailureSentence(const SweepReport& report) {
  size_t failed = 0;
  size_t all = 0;
  for (const SweepRow& row : report.rows) {
    all += row.videos.size();
    failed += std::ranges::count_if(row.videos,
                                    [](const SweepVideo& video) { return !video.error.empty(); });
  }
  if (failed == 0) return "";
  return fmt::format(
      "{} of {} videos failed; they are listed below and count in no average.", failed, all);
}

}  // namespace

int Verdict(const SweepComparison& comparison) {
  const auto& difference = comparison.psnr ? comparison.psnr : comparison.ssim;
  if (!difference) return 0;
  return difference->ci95.lo > 0 ? 1 : difference->ci95.hi < 0 ? -1 : 0;
}

const SweepRow* RecommendedRow(const SweepReport& report,
                               const std::string& model,
                               const ConclusionOptions& options) {
  const SweepRow* best = nullptr;
  for (const SweepRow& row : report.rows) {
    if (row.model != model || !IsTeaCache(row) || !row.psnr || !row.psnr->p5) continue;
    if (*row.psnr->p5 < options.psnr_floor) continue;
    if (!best || *row.threshold > *best->threshold) best = &row;
  }
  return best;
}

std::vector<std::string> DrawConclusions(const SweepReport& report,
                                         const ConclusionOptions& options) {
  std::vector<std::string> sentences;
  const auto add = [&sentences](const std::string& prefix, const std::string& sentence) {
    if (!sentence.empty()) sentences.push_back(prefix + sentence);
  };
  for (const SweepModel& model : report.models) {
    const std::string prefix = Prefix(report, model);
    add(prefix, Recommendation(report, model, options));
    std::vector<std::string> policies;
    for (const SweepComparison& comparison : report.comparisons) {
      const SweepRow* row = FindRow(report, comparison.b);
      if (row && std::ranges::find(policies, row->policy) == policies.end()) {
        policies.push_back(row->policy);
      }
    }
    for (const std::string& policy : policies) add(prefix, AgainstBaseline(report, model, policy));
    if (const SweepRow* row = RecommendedRow(report, model.name, options)) {
      add(prefix, OverheadSentence(*row));
    }
    for (const SweepFit& fit : report.fits) {
      if (fit.model == model.name) add(prefix, SignalSentence(fit));
    }
    add(prefix, AdherenceSentence(report, model));
  }
  add("", PromptSentence(report.context));
  add("", FailureSentence(report));
  return sentences;
}

}  // namespace teacache
