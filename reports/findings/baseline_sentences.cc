#include "reports/findings/baseline_sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "reports/findings/conclusions.h"
#include "reports/findings/labels.h"

namespace teacache {
namespace {

// With several coefficient sets TeaCache is named with the one it used.
std::string TeaCacheName(const SweepReport& report,
                         const SweepModel& model,
                         const std::string& fit) {
  const auto sets = std::ranges::count(report.fits, model.name, &SweepFit::model);
  return sets > 1 && !fit.empty() ? fmt::format("TeaCache with the {} coefficients", fit)
                                  : "TeaCache";
}

struct Entry {
  double threshold = 0;
  double difference = 0;  // of PSNR, else of SSIM
};

struct Tally {
  std::vector<Entry> better, same, worse;
  std::vector<double> unequal;  // thresholds whose calls the baseline cannot have
  int digits = 1;
  std::string unit = " dB";
  size_t total() const { return better.size() + same.size() + worse.size(); }
};

Tally Count(const SweepReport& report,
            const SweepModel& model,
            const std::string& fit,
            const std::string& policy) {
  Tally tally;
  for (const SweepRow& row : report.rows) {
    if (row.model != model.name || row.fit != fit || row.policy != "teacache" || !row.threshold)
      continue;
    const SweepComparison* comparison = FindComparison(report, row.id, policy);
    if (!comparison) continue;
    if (!EqualCost(comparison->computed_a, comparison->computed_b)) {
      tally.unequal.push_back(*row.threshold);
      continue;
    }
    if (!comparison->psnr && !comparison->ssim) continue;
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

}  // namespace

std::string AgainstBaseline(const SweepReport& report,
                            const SweepModel& model,
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
      parts.push_back(fmt::format(
          "cannot be told from {} {}", tally.better.empty() ? label : "it", At(tally.same, tally)));
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

std::string Listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

std::string Capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] += 'A' - 'a';
  return text;
}

}  // namespace teacache
