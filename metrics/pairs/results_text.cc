#include "metrics/pairs/results_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "datasets/base/message.h"
#include "datasets/work/shard.h"
#include "datasets/worst_share.h"

namespace teacache {
namespace {

std::string Label(const MetricInfo& metric) { return MetricTitle(metric, /*always=*/true); }

// Four decimals, as papers print them; "-" for what there is not.
std::string Number(double value) { return std::isnan(value) ? "-" : fmt::format("{:.4f}", value); }

std::string IntervalText(const std::optional<Interval>& interval) {
  return interval ? fmt::format("{:.4f} ... {:.4f}", interval->lo, interval->hi) : "-";
}

void AddRow(const std::string& label,
            const MetricSummary& s,
            bool higher_is_better,
            bool shares,
            std::string* out) {
  *out += fmt::format("{:<28} {:>10} {:>22} {:>10} {:>9} {:>10} {:>6} {:>9}\n",
                      label,
                      s.n == 0 && s.identical > 0 ? "inf" : Number(s.mean),
                      IntervalText(s.ci95),
                      Number(s.median),
                      Number(s.std),
                      Number(WorstShareOf(s, higher_is_better, shares)),
                      s.n,
                      s.identical);
}

// What the noise floor says of the scores: only intervals apart from each other count.
std::string FloorText(const MetricInfo& metric,
                      const MetricSummary& s,
                      const MetricSummary& floor) {
  constexpr const char* kAbove =
      "above the noise floor: these videos differ more than those of a second uncached run";
  if (floor.n == 0 && floor.identical > 0) {
    return s.n == 0 ? "at the noise floor: all videos are identical, as in a second uncached run"
                    : kAbove;
  }
  if (!s.ci95 || !floor.ci95) return "too few videos to hold against the noise floor";
  const bool worse =
      metric.higher_is_better ? s.ci95->hi < floor.ci95->lo : s.ci95->lo > floor.ci95->hi;
  return worse ? kAbove : "within the noise floor: not distinguishable from a second uncached run";
}

void AddWorst(const Results& results, const MetricInfo& metric, int count, std::string* out) {
  const double sign = metric.higher_is_better ? 1 : -1;
  std::vector<const VideoScore*> videos;
  for (const VideoScore& video : results.videos) {
    if (video.scores.count(metric.name) > 0) videos.push_back(&video);
  }
  std::stable_sort(videos.begin(), videos.end(), [&](const VideoScore* a, const VideoScore* b) {
    return sign * a->scores.at(metric.name) < sign * b->scores.at(metric.name);
  });
  videos.resize(std::min<size_t>(videos.size(), static_cast<size_t>(std::max(count, 0))));
  if (videos.empty()) return;
  *out += fmt::format("\nWorst by {}:\n", Label(metric));
  for (const VideoScore* video : videos) {
    *out +=
        fmt::format("  {:>10}  {}\n", Number(video->scores.at(metric.name)), OneLine(video->name));
  }
}

void AddComparison(const Results& results, std::string* out) {
  if (results.comparison.empty()) return;
  const auto other = results.context.find("compare");
  *out += fmt::format("\nDifference to {} on the same videos:\n",
                      other == results.context.end() ? "the other method" : other->second);
  for (const MetricInfo& metric : results.metrics) {
    const auto found = results.comparison.find(metric.name);
    if (found == results.comparison.end()) continue;
    const PairedDifference& d = found->second;
    const std::string wins = fmt::format("better in {}, worse in {}", d.a_better, d.b_better);
    if (d.n == 0) {
      *out += fmt::format(
          "  {:<28} no videos with finite values on both sides; {}\n", Label(metric), wins);
      continue;
    }
    const bool clear = d.ci95 && (d.ci95->lo > 0 || d.ci95->hi < 0);
    *out += fmt::format("  {:<28} {:>+10.4f}  95 %: {}  {} of {}{}\n",
                        Label(metric),
                        d.mean,
                        d.ci95 ? fmt::format("{:+.4f} ... {:+.4f}", d.ci95->lo, d.ci95->hi) : "-",
                        wins,
                        std::max(d.n, d.a_better + d.b_better),
                        clear ? "" : "  (may be chance)");
  }
}

void AddProblems(const Results& results, std::string* out) {
  std::map<std::string, int> warnings;
  for (const VideoScore& video : results.videos) {
    for (const std::string& warning : video.warnings) ++warnings[warning];
  }
  for (const std::string& warning : results.warnings) *out += "\nwarning: " + OneLine(warning);
  for (const auto& [warning, count] : warnings) {
    *out += fmt::format(
        "\nwarning: {} ({} of {} videos)", OneLine(warning), count, results.videos.size());
  }
  if (!results.warnings.empty() || !warnings.empty()) *out += "\n";
  const auto list = [&](const std::vector<std::string>& paths, const char* what) {
    if (paths.empty()) return;
    *out += fmt::format("\n{}: {}\n", what, paths.size());
    for (size_t i = 0; i < std::min<size_t>(paths.size(), 10); ++i)
      *out += "  " + OneLine(paths[i]) + "\n";
    if (paths.size() > 10) *out += "  ...\n";
  };
  list(results.unmatched_gt, "Ground-truth videos without a partner");
  list(results.unmatched_gen, "Generated videos without a partner");
  list(results.left_out, "Could be videos but are not scored");
  if (results.NumErrors() == 0) return;
  *out += fmt::format("\nNot scored: {} of {}\n", results.NumErrors(), results.videos.size());
  for (const VideoScore& video : results.videos) {
    if (!video.ok()) *out += fmt::format("  {}: {}\n", OneLine(video.name), OneLine(video.error));
  }
}

}  // namespace

std::string ResultsText(const Results& results, int worst_pairs) {
  std::string out;
  if (const auto missing = results.context.find(kMissingParts); missing != results.context.end()) {
    out += fmt::format("PARTIAL RESULT: parts {} are missing\n\n", missing->second);
  }
  std::vector<MetricInfo> metrics;
  std::ranges::copy_if(results.metrics, std::back_inserter(metrics), [&](const MetricInfo& metric) {
    return results.summary.count(metric.name) > 0;
  });
  const bool shares = std::ranges::all_of(metrics, [&](const MetricInfo& metric) {
    return HasWorstShare(results.summary.at(metric.name));
  });
  if (!metrics.empty()) {
    out += fmt::format("{:<28} {:>10} {:>22} {:>10} {:>9} {:>10} {:>6} {:>9}\n",
                       "",
                       "mean",
                       "95 % of the mean",
                       "median",
                       "std",
                       WorstShareTitle(shares),
                       "videos",
                       "identical");
  }
  for (const MetricInfo& metric : metrics) {
    const MetricSummary& summary = results.summary.at(metric.name);
    AddRow(Label(metric), summary, metric.higher_is_better, shares, &out);
    // Only where videos differ in length.
    if (std::abs(summary.frame_weighted_mean - summary.mean) >= 5e-5) {
      out += fmt::format(
          "{:<28} {:>10}\n", "  mean of all frames", Number(summary.frame_weighted_mean));
    }
    const auto floor = results.baseline.find(metric.name);
    if (floor != results.baseline.end()) {
      AddRow("  noise floor (baseline)", floor->second, metric.higher_is_better, shares, &out);
      out += "  " + FloorText(metric, summary, floor->second) + "\n";
    }
  }
  for (const MetricInfo& metric : metrics) {
    if (!metric.definition.empty()) out += metric.name + ": " + metric.definition + "\n";
  }
  AddComparison(results, &out);
  if (results.videos.size() > 1) {
    for (const MetricInfo& metric : metrics) AddWorst(results, metric, worst_pairs, &out);
  }
  AddProblems(results, &out);
  return out;
}

}  // namespace teacache
