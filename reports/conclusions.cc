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

// How the baseline of `policy` does at the calls of `row`; empty when it was not run.
std::string BaselineThere(const SweepReport& report,
                          const SweepRow& row,
                          const std::string& policy) {
  const SweepComparison* comparison = FindComparison(report, row.id, policy);
  if (!comparison || !comparison->psnr) return "";
  const SweepDifference& difference = *comparison->psnr;
  const int verdict = Verdict(*comparison);
  return fmt::format(" {} at as many calls {} (TeaCache − {}: {} dB, {} to {}).",
                     policy == "uniform" ? "Uniform skipping" : PolicyLabel(policy),
                     verdict > 0   ? "is worse there"
                     : verdict < 0 ? "is better there"
                                   : "cannot be told from it there",
                     PolicyLabel(policy),
                     Signed(difference.mean, 1),
                     Signed(difference.ci95.lo, 1),
                     Signed(difference.ci95.hi, 1));
}

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
             "Threshold {} is the largest that keeps the worst 5 % of the videos at {} dB or more: "
             "{} faster end to end, {} of {} calls computed, PSNR {} on average.",
             Short(*row->threshold),
             Short(options.psnr_floor),
             SpeedupText(row->speedup_total),
             Fixed(row->computed_mean, 1),
             row->calls,
             MetricText(row->psnr, 1, " dB")) +
         BaselineThere(report, *row, "uniform");
}

struct Entry {
  double threshold = 0;
  double difference = 0;  // of PSNR, else of SSIM
};

struct Tally {
  std::vector<Entry> better, same, worse;
  int digits = 1;
  std::string unit = " dB";
  size_t total() const { return better.size() + same.size() + worse.size(); }
};

Tally Count(const SweepReport& report, const SweepModel& model, const std::string& policy) {
  Tally tally;
  for (const SweepRow& row : report.rows) {
    if (row.model != model.name || !IsTeaCache(row)) continue;
    const SweepComparison* comparison = FindComparison(report, row.id, policy);
    if (!comparison || (!comparison->psnr && !comparison->ssim)) continue;
    if (!comparison->psnr) {
      tally.digits = 4;
      tally.unit = " SSIM";
    }
    const int verdict = Verdict(*comparison);
    auto& list = verdict > 0 ? tally.better : verdict < 0 ? tally.worse : tally.same;
    list.push_back(
        {*row.threshold, (comparison->psnr ? comparison->psnr : comparison->ssim)->mean});
  }
  return tally;
}

// "at thresholds 0.1 (+2.1 dB) and 0.2 (+0.3 dB)", or "at every threshold (+0.3 to +2.1 dB)".
std::string At(const std::vector<Entry>& list, const Tally& tally) {
  if (list.size() == tally.total() && list.size() > 2) {
    const auto [lo, hi] = std::ranges::minmax(list, {}, &Entry::difference);
    return fmt::format("at every threshold ({} to {}{})",
                       Signed(lo.difference, tally.digits),
                       Signed(hi.difference, tally.digits),
                       tally.unit);
  }
  std::vector<std::string> words;
  for (const Entry& entry : list) {
    words.push_back(fmt::format(
        "{} ({}{})", Short(entry.threshold), Signed(entry.difference, tally.digits), tally.unit));
  }
  return fmt::format("at threshold{} {}", list.size() == 1 ? "" : "s", Listed(words));
}

// "At equal computed calls, TeaCache is better than uniform skipping at ..., as good at ..."
std::string AgainstBaseline(const SweepReport& report,
                            const SweepModel& model,
                            const std::string& policy) {
  const Tally tally = Count(report, model, policy);
  if (tally.total() == 0) return "";
  const std::string label = PolicyLabel(policy);
  std::vector<std::string> parts;
  if (!tally.better.empty())
    parts.push_back(fmt::format("beats {} {}", label, At(tally.better, tally)));
  if (!tally.same.empty()) {
    parts.push_back(fmt::format(
        "cannot be told from {} {}", tally.better.empty() ? label : "it", At(tally.same, tally)));
  }
  if (!tally.worse.empty()) {
    parts.push_back(fmt::format(
        "is worse{} {}", parts.empty() ? " than " + label : "", At(tally.worse, tally)));
  }
  std::string text = "At equal computed calls TeaCache " + Listed(parts) + ".";
  if (tally.better.empty()) text += " It never beats it beyond the intervals.";
  return text;
}

std::string SignalSentence(const SweepFit& fit) {
  if (!fit.r2) return "";
  const std::string_view judgement = *fit.r2 >= 0.8 ? "is strong"
                                     : *fit.r2 >= 0.5
                                         ? "is moderate"
                                         : "is weak, so treat the thresholds with care";
  return fmt::format(
      "The signal {}: the polynomial of degree {} explains the change of the residual with R² = "
      "{}{} "
      "({}).",
      judgement,
      static_cast<int>(fit.coefficients.size()) - 1,
      Fixed(fit.r2, 2),
      fit.pearson ? fmt::format(", Pearson {}", Fixed(fit.pearson, 2)) : "",
      Plural(fit.pairs.size(), "pair"));
}

// Where the saved calls go: calls / computed calls against the measured speed-up.
std::string OverheadSentence(const SweepRow& row) {
  if (row.computed_mean <= 0 || row.total.n == 0 || row.transformer.n == 0) return "";
  const double fewer = row.calls / row.computed_mean;
  const double rest = row.total.median - row.transformer.median;
  return fmt::format(
      "At threshold {}, {}× fewer calls make the transformer {}× and the whole video {}× faster; "
      "{} of "
      "{} s are spent outside the transformer.",
      Short(*row.threshold),
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
