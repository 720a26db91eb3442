#include "reports/findings/conclusions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "reports/findings/choices.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

// With several coefficient sets TeaCache is named with the one it used.
std::string TeaCacheName(const Report& report, const ReportModel& model, const std::string& fit) {
  const auto sets = std::ranges::count(report.fits, model.name, &ReportFit::model);
  return sets > 1 && !fit.empty() ? fmt::format("TeaCache with the {} coefficients", fit)
                                  : "TeaCache";
}

struct Entry {
  double threshold = 0;
  double difference = 0;  // of the deciding metric
};

struct Tally {
  std::vector<Entry> better, same, worse;
  std::vector<double> unequal;  // thresholds whose calls the baseline cannot have
  int digits = 1;
  std::string unit = " dB";
  size_t total() const { return better.size() + same.size() + worse.size(); }
};

Tally Count(const Report& report,
            const ReportModel& model,
            const std::string& fit,
            const std::string& policy) {
  Tally tally;
  for (const ReportRow& row : report.rows) {
    if (row.model != model.name || row.fit != fit || row.policy != "teacache" || !row.threshold)
      continue;
    const ReportComparison* comparison = FindComparison(report, row.id, policy);
    if (!comparison) continue;
    if (!EqualCost(comparison->computed_a, comparison->computed_b)) {
      tally.unequal.push_back(*row.threshold);
      continue;
    }
    const MetricInfo* metric = DecidingMetric(report, *comparison);
    if (!metric) continue;
    tally.digits = SentenceDigits(*metric);
    tally.unit = SentenceUnit(*metric);
    const int verdict = Verdict(report, *comparison);
    auto& list = verdict > 0 ? tally.better : verdict < 0 ? tally.worse : tally.same;
    list.push_back({*row.threshold, comparison->differences.at(metric->name).mean});
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

// "At equal computed calls TeaCache beats uniform skipping at ..., does not differ clearly from it
// at ...": how the rows of a model and coefficient set do against the baseline `policy`, with the
// thresholds at which the baseline could not have as many calls. "" = they were not compared.
std::string AgainstBaseline(const Report& report,
                            const ReportModel& model,
                            const std::string& fit,
                            const std::string& policy) {
  const Tally tally = Count(report, model, fit, policy);
  const std::string label = PolicyLabel(policy);
  std::string text;
  if (tally.total() > 0) {
    std::vector<std::string> parts;
    if (!tally.better.empty())
      parts.push_back(fmt::format("beats {} {}", label, At(tally.better, tally)));
    if (!tally.same.empty()) {
      parts.push_back(fmt::format("does not differ clearly from {} {}",
                                  tally.better.empty() ? label : "it",
                                  At(tally.same, tally)));
    }
    if (!tally.worse.empty()) {
      parts.push_back(fmt::format(
          "is worse{} {}", parts.empty() ? " than " + label : "", At(tally.worse, tally)));
    }
    text = fmt::format(
        "At equal computed calls {} {}.", TeaCacheName(report, model, fit), Listed(parts));
    if (tally.better.empty()) text += " It never beats it beyond the intervals.";
  }
  if (!tally.unequal.empty()) {
    std::vector<std::string> thresholds;
    for (const double threshold : tally.unequal) thresholds.push_back(Short(threshold));
    text += fmt::format("{}{} cannot be given the calls of threshold{} {}, so {} not compared.",
                        text.empty() ? "" : " ",
                        Capital(label),
                        thresholds.size() == 1 ? "" : "s",
                        Listed(thresholds),
                        thresholds.size() == 1 ? "that one is" : "those are");
  }
  return text;
}

constexpr std::string_view kTeaCache = "teacache";

std::string Plural(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool IsTeaCache(const ReportRow& row) { return row.policy == kTeaCache && row.threshold; }

bool EqualCost(const ReportComparison& comparison) {
  return teacache::EqualCost(comparison.computed_a, comparison.computed_b);
}

// How the baseline of `policy` does at the calls of `row`; empty when it was not run.
std::string BaselineThere(const Report& report, const ReportRow& row, const std::string& policy) {
  const ReportComparison* comparison = FindComparison(report, row.id, policy);
  const ReportDifference* difference =
      comparison ? Find(comparison->differences, report.context.floor.metric) : nullptr;
  if (!difference) return "";
  const MetricInfo metric = MetricOf(report, report.context.floor.metric);
  const int digits = SentenceDigits(metric);
  const int verdict = Verdict(report, *comparison);
  return fmt::format(" {} at {} {} (TeaCache − {}: {}{}, {} to {}).",
                     Capital(PolicyLabel(policy)),
                     EqualCost(*comparison) ? "as many calls"
                                            : Fixed(comparison->computed_b, 1) + " instead of " +
                                                  Fixed(comparison->computed_a, 1) + " calls",
                     verdict > 0   ? "is worse there"
                     : verdict < 0 ? "is better there"
                                   : "shows no clear difference there",
                     PolicyLabel(policy),
                     Signed(difference->mean, digits),
                     SentenceUnit(metric),
                     Signed(difference->ci95.lo, digits),
                     Signed(difference->ci95.hi, digits));
}

// Every policy that a row of `model` was compared with, in the order of the rows.
std::vector<std::string> Baselines(const Report& report, const ReportModel& model) {
  std::vector<std::string> policies;
  for (const ReportRow& row : report.rows) {
    if (row.model == model.name && !row.matches.empty() &&
        std::ranges::find(policies, row.policy) == policies.end()) {
      policies.push_back(row.policy);
    }
  }
  return policies;
}

// How sure the choice of `row`, a TeaCache setting, is.
std::string LimitText(const Report& report, const ReportRow& row) {
  for (const ReportDecision& decision : report.decisions) {
    if (decision.row != row.id || !decision.ci95 || decision.ci95->lo == decision.ci95->hi) {
      continue;
    }
    return fmt::format(
        " With other videos of this kind, another threshold could be the largest that keeps it: "
        "{} to {} (95 %).",
        Short(decision.ci95->lo),
        Short(decision.ci95->hi));
  }
  return "";
}

std::string FasterWords(const ReportRow& row) {
  return row.speedup_total.value > 0 ? SpeedupText(row.speedup_total) + " faster end to end"
                                     : "how much faster is not known for want of times";
}

// "keeps the worst video at 30 dB or more".
std::string FloorWords(const ReportChoice& choice, const MetricInfo& metric) {
  return fmt::format("keeps {} at {}{} or {}",
                     choice.of_worst_video ? "the worst video" : "the worst 5 % of the videos",
                     Short(choice.floor),
                     SentenceUnit(metric),
                     metric.higher_is_better ? "more" : "less");
}

std::string Headline(const Report& report, const ReportChoice& choice) {
  const ReportOption& best = choice.options.front();
  const ReportRow& row = *FindRow(report, best.row);
  const MetricInfo metric = MetricOf(report, choice.metric);
  return fmt::format(
      "{} is the {} that {}: {}, {}, {} over {}.",
      Capital(RowLabel(row)),
      row.speedup_total.value > 0 ? "fastest setting" : "setting with the fewest computed calls",
      FloorWords(choice, metric),
      FasterWords(row),
      row.calls > 0 ? fmt::format("{} of {} calls computed", Fixed(row.computed_mean, 1), row.calls)
                    : "how many calls were computed is not known",
      WorstText(best, metric),
      Plural(best.videos, "video"));
}

// How the best option stands against `other`, which keeps the floor too.
std::string LeadWords(const ReportRow& best, const ReportOption& other) {
  if (!(other.behind.value > 0)) return "";
  const bool clear = other.behind.ci95 && other.behind.ci95->lo > 1;
  if (!clear && Fixed(other.behind.value, 2) == "1.00") return "; both are equally fast";
  return fmt::format("; {} is {} faster than that, {}",
                     RowLabel(best),
                     SpeedupText(other.behind),
                     clear ? "beyond the interval" : "which is no clear difference");
}

// TeaCache's fastest setting beside a better one of another policy, or the next policy beside
// TeaCache's.
std::string OtherWords(const Report& report, const ReportChoice& choice) {
  const ReportRow& best = *FindRow(report, choice.options.front().row);
  const ReportOption* other = TeaCacheOption(choice);
  if (!other) return "No TeaCache setting keeps it.";
  const bool is_best = other == &choice.options.front();
  if (is_best) {
    if (choice.options.size() < 2) return "";
    other = &choice.options[1];
    if (!other->keeps) return "No other policy keeps it.";
  }
  const ReportRow& row = *FindRow(report, other->row);
  return fmt::format("{} {}, {}{}.",
                     is_best ? "Next is" : "TeaCache's fastest such setting is",
                     RowLabel(row),
                     FasterWords(row),
                     LeadWords(best, *other));
}

// The choice of `model`; without headline where no setting was scored.
Conclusion Choice(const Report& report, const ReportModel& model) {
  Conclusion conclusion{ConclusionKind::kChoice, model.name, "", ""};
  const ReportChoice* choice = FindChoice(report, model.name);
  if (!choice) return conclusion;
  const MetricInfo metric = MetricOf(report, choice->metric);
  if (!BestOption(*choice)) {
    conclusion.headline = fmt::format("No setting {}; the nearest is {} with {}.",
                                      FloorWords(*choice, metric),
                                      RowLabel(*FindRow(report, choice->options.front().row)),
                                      WorstText(choice->options.front(), metric));
    return conclusion;
  }
  conclusion.headline = Headline(report, *choice);
  conclusion.text = OtherWords(report, *choice);
  if (const ReportOption* teacache = TeaCacheOption(*choice)) {
    const ReportRow& row = *FindRow(report, teacache->row);
    for (const std::string& policy : Baselines(report, model)) {
      conclusion.text += BaselineThere(report, row, policy);
    }
    conclusion.text += LimitText(report, row);
  }
  if (conclusion.text.starts_with(" ")) conclusion.text.erase(0, 1);
  return conclusion;
}

std::string FrontSentence(const Report& report, const ReportModel& model) {
  const MetricInfo metric = MetricOf(report, report.context.floor.metric);
  for (const ReportFront& front : report.fronts) {
    if (front.model != model.name || front.metric != metric.name || front.rows.size() < 2) continue;
    std::vector<std::string> policies;
    std::map<std::string, int> count;
    for (const std::string& id : front.rows) {
      const ReportRow* row = FindRow(report, id);
      if (!row) continue;
      if (count[row->policy]++ == 0) policies.push_back(row->policy);
    }
    std::vector<std::string> words;
    for (const std::string& policy : policies) {
      words.push_back(fmt::format("{} of {}", count[policy], PolicyLabel(policy)));
    }
    const ReportRow* knee = FindRow(report, front.knee);
    const std::string settings =
        policies.size() == 1
            ? fmt::format("{} settings, all of {},", front.rows.size(), PolicyLabel(policies[0]))
            : fmt::format("{} settings ({})", front.rows.size(), Listed(words));
    return fmt::format("{} are not beaten in both speed and {} by any other{}.",
                       settings,
                       metric.label,
                       knee ? fmt::format("; the knee is {} ({} at {})",
                                          RowLabel(*knee),
                                          MetricText(Find(knee->scores, metric.name),
                                                     SentenceDigits(metric),
                                                     SentenceUnit(metric)),
                                          SpeedupText(knee->speedup_total))
                            : "");
  }
  return "";
}

std::string ReplaySentence(const Report& report, const ReportModel& model) {
  const ReportRow* worst = nullptr;
  int rows = 0;
  for (const ReportRow& row : report.rows) {
    if (row.model != model.name || !IsTeaCache(row) || !row.replayed_agrees) continue;
    ++rows;
    if (!worst || *row.replayed_agrees < *worst->replayed_agrees) worst = &row;
  }
  if (!worst) return "";
  if (*worst->replayed_agrees >= 1) {
    return "The schedules that fit-coeffs replays from uncached runs are the live ones, call for "
           "call.";
  }
  return fmt::format(
      "Schedules replayed from uncached runs differ from the live ones, since skipped calls change "
      "the signal after them: at threshold {}, {} % of the calls agree ({} computed replayed, {} "
      "live){}.",
      Short(*worst->threshold),
      Fixed(100 * *worst->replayed_agrees, 0),
      Fixed(worst->replayed_mean, 1),
      Fixed(worst->computed_mean, 1),
      rows > 1 ? ", at the others more" : "");
}

// Thresholds that do nothing, or all they can.
std::string ExtremesSentence(const Report& report, const ReportModel& model) {
  std::vector<std::string> nothing;
  std::vector<std::string> everything;
  for (const ReportRow& row : report.rows) {
    if (row.model != model.name || !IsTeaCache(row) || row.computed_max == 0) continue;
    if (row.computed_min >= row.calls) {
      nothing.push_back(Short(*row.threshold));
    } else if (row.computed_max <= 2) {
      everything.push_back(Short(*row.threshold));
    }
  }
  std::string text;
  if (!nothing.empty()) {
    text = fmt::format(
        "Nothing is skipped at threshold{} {}.", nothing.size() == 1 ? "" : "s", Listed(nothing));
  }
  if (!everything.empty()) {
    text += fmt::format("{}Everything that may be skipped is skipped at threshold{} {}.",
                        text.empty() ? "" : " ",
                        everything.size() == 1 ? "" : "s",
                        Listed(everything));
  }
  return text;
}

std::string SignalSentence(const ReportFit& fit) {
  if (!fit.r2) return "";
  if (!fit.source.empty() && *fit.r2 < 0) {
    return fmt::format(
        "The {} coefficients ({}) were fitted elsewhere and do not describe the pairs recorded "
        "here: a constant would be nearer (R² below 0).",
        fit.name,
        fit.source);
  }
  if (!fit.source.empty()) {
    return fmt::format(
        "The {} coefficients ({}) were fitted elsewhere; on the pairs recorded here "
        "their R² is {}.",
        fit.name,
        fit.source,
        Fixed(fit.r2, 2));
  }
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
std::string OverheadSentence(const ReportRow& row) {
  if (!row.threshold || row.computed_mean <= 0 || !(row.speedup_total.value > 0) ||
      !(row.speedup_transformer.value > 0)) {
    return "";
  }
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

double MeanShare(const ReportRow& row) {
  double sum = 0;
  for (const ReportShare& share : row.adherence) sum += share.share;
  return sum / static_cast<double>(row.adherence.size());
}

std::string AdherenceSentence(const Report& report, const ReportModel& model) {
  const ReportRow* uncached = nullptr;
  const ReportRow* worst = nullptr;
  for (const ReportRow& row : report.rows) {
    if (row.model != model.name || row.adherence.empty()) continue;
    if (row.policy == "none") uncached = &row;
    if (IsTeaCache(row) && (!worst || MeanShare(row) < MeanShare(*worst))) worst = &row;
  }
  if (!uncached || !worst) return "";
  if (MeanShare(*worst) >= MeanShare(*uncached)) {
    return fmt::format(
        "The uncached videos show what the prompt asks for in {} % of the judged properties, and no "
        "TeaCache setting shows less.",
        Fixed(100 * MeanShare(*uncached), 0));
  }
  return fmt::format(
      "The uncached videos show what the prompt asks for in {} % of the judged properties; the "
      "lowest "
      "TeaCache setting is {} % (threshold {}).",
      Fixed(100 * MeanShare(*uncached), 0),
      Fixed(100 * MeanShare(*worst), 0),
      Short(*worst->threshold));
}

std::string PromptSentence(const ReportContext& context) {
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
  return fmt::format("Fitted on {}, scored on {} others{}.",
                     Plural(context.fit_prompts.size(), "prompt"),
                     context.test_prompts.size(),
                     context.prompts_asked > static_cast<int>(context.test_prompts.size())
                         ? fmt::format(" of {} that were asked for: the time allowed no more",
                                       context.prompts_asked)
                         : "");
}

// Seconds are worth as much as the machine was quiet.
std::string TimingSentence(const ReportContext& context) {
  if (context.timed_runs == 0) return "";
  std::string text = fmt::format(
      "Seconds are medians of {} of every video, settings in turn, warm-up left out.",
      context.timed_runs == 1 ? "one timed run" : fmt::format("{} timed runs", context.timed_runs));
  const double load = std::max(context.load, context.load_end);
  if (context.processors > 0 && load > context.processors) {
    text += fmt::format(
        " Caution: the machine was busy (load {} on {}), so they are less certain "
        "than their intervals say.",
        Fixed(load, 1),
        Plural(context.processors, "processor"));
  }
  return text;
}

std::string FailureSentence(const Report& report) {
  size_t failed = 0;
  size_t all = 0;
  for (const ReportRow& row : report.rows) {
    all += row.videos.size();
    failed += std::ranges::count_if(row.videos,
                                    [](const ReportVideo& video) { return !video.error.empty(); });
  }
  if (failed == 0) return "";
  return fmt::format(
      "{} of {} videos failed; they are listed below and count in no average.", failed, all);
}

}  // namespace

int Verdict(const Report& report, const ReportComparison& comparison) {
  const MetricInfo* metric = DecidingMetric(report, comparison);
  return metric ? comparison.differences.at(metric->name).verdict : 0;
}

std::vector<Conclusion> DrawConclusions(const Report& report) {
  std::vector<Conclusion> conclusions;
  const auto add = [&conclusions](ConclusionKind kind, const std::string& model, std::string text) {
    if (!text.empty()) conclusions.push_back({kind, model, "", std::move(text)});
  };
  for (const ReportModel& model : report.models) {
    const std::string& name = model.name;
    if (Conclusion choice = Choice(report, model); !choice.headline.empty()) {
      conclusions.push_back(std::move(choice));
    }
    std::vector<std::string> fits;
    for (const ReportRow& row : report.rows) {
      if (row.model == name && IsTeaCache(row) && std::ranges::find(fits, row.fit) == fits.end()) {
        fits.push_back(row.fit);
      }
    }
    for (const std::string& fit : fits) {
      for (const std::string& policy : Baselines(report, model)) {
        add(ConclusionKind::kBaseline, name, AgainstBaseline(report, model, fit, policy));
      }
    }
    add(ConclusionKind::kFront, name, FrontSentence(report, model));
    const ReportChoice* chosen = FindChoice(report, name);
    if (const ReportOption* teacache = chosen ? TeaCacheOption(*chosen) : nullptr) {
      add(ConclusionKind::kOverhead, name, OverheadSentence(*FindRow(report, teacache->row)));
    }
    for (const ReportFit& fit : report.fits) {
      if (fit.model == name) add(ConclusionKind::kSignal, name, SignalSentence(fit));
    }
    add(ConclusionKind::kExtremes, name, ExtremesSentence(report, model));
    add(ConclusionKind::kReplay, name, ReplaySentence(report, model));
    add(ConclusionKind::kAdherence, name, AdherenceSentence(report, model));
  }
  add(ConclusionKind::kPrompts, "", PromptSentence(report.context));
  add(ConclusionKind::kTiming, "", TimingSentence(report.context));
  add(ConclusionKind::kFailures, "", FailureSentence(report));
  return conclusions;
}

}  // namespace teacache
