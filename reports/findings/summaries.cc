#include "reports/findings/summaries.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/worst_share.h"
#include "metrics/pooling.h"
#include "reports/data/report_json.h"
#include "reports/findings/choices.h"
#include "reports/findings/conclusions.h"
#include "reports/findings/decisions.h"
#include "reports/findings/gate.h"
#include "reports/findings/labels.h"
#include "reports/findings/notes.h"

namespace teacache {
namespace {

bool Good(const ReportVideo& video) { return video.error.empty(); }

std::optional<double> IfFinite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

int LongestSkip(const std::vector<bool>& computed) {
  int longest = 0;
  int run = 0;
  for (const bool call : computed) {
    run = call ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  return longest;
}

// The name that eval-metrics gives a video: of its file, without folders and extension.
std::string_view StemOf(const ReportVideo& video) {
  std::string_view name = video.scored_path.empty() ? video.path : video.scored_path;
  if (const size_t slash = name.rfind('/'); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

ReportMetric Pool(const std::vector<double>& values, const PoolingOptions& options) {
  constexpr double kCap = 100;  // dB of an identical frame in TeaCache's script
  const MetricSummary summary = Summarize(values, {}, options);
  ReportMetric metric;
  metric.mean = IfFinite(summary.mean);
  metric.median = IfFinite(summary.median);
  metric.std = IfFinite(summary.std);
  metric.ci95 = summary.ci95;
  metric.worst = IfFinite(options.higher_is_better ? summary.min : summary.max);
  metric.n = static_cast<int>(summary.n);
  metric.identical = static_cast<int>(summary.identical);
  if (metric.mean && metric.identical > 0) {
    metric.capped_mean =
        (*metric.mean * metric.n + kCap * metric.identical) / static_cast<double>(values.size());
  }
  if (values.size() >= kFewestForWorstShare) {
    metric.p5 = IfFinite(summary.p5);
    metric.p5_ci95 = BootstrapPercentile(Finite(values),
                                         options.higher_is_better ? 0.05 : 0.95,
                                         options.bootstrap_samples,
                                         options.seed);
  }
  return metric;
}

void SummarizeCalls(ReportRow* row) {
  row->computed_min = row->calls;
  row->computed_max = 0;
  row->longest_skip = -1;
  int64_t sum = 0;
  int64_t videos = 0;
  for (const ReportVideo& video : row->videos) {
    if (!Good(video) || video.computed.empty()) continue;
    const auto computed = static_cast<int>(std::ranges::count(video.computed, true));
    row->computed_min = std::min(row->computed_min, computed);
    row->computed_max = std::max(row->computed_max, computed);
    row->longest_skip = std::max(row->longest_skip, LongestSkip(video.computed));
    sum += computed;
    ++videos;
  }
  if (videos > 0) row->computed_mean = static_cast<double>(sum) / static_cast<double>(videos);
}

void SummarizeReplay(ReportRow* row) {
  int64_t computed = 0;
  int64_t agree = 0;
  int64_t calls = 0;
  int64_t videos = 0;
  for (const ReportVideo& video : row->videos) {
    if (!Good(video) || video.replayed.empty() || video.replayed.size() != video.computed.size()) {
      continue;
    }
    ++videos;
    calls += std::ssize(video.replayed);
    for (size_t call = 0; call < video.replayed.size(); ++call) {
      computed += video.replayed[call];
      agree += video.replayed[call] == video.computed[call];
    }
  }
  row->replayed_mean.reset();
  row->replayed_agrees.reset();
  if (videos == 0) return;
  row->replayed_mean = static_cast<double>(computed) / static_cast<double>(videos);
  row->replayed_agrees = static_cast<double>(agree) / static_cast<double>(calls);
}

// Rows whose videos were not judged keep what they have.
void SummarizeScenes(ReportRow* row) {
  std::vector<std::pair<std::string, int>> right;
  std::map<std::string, int> judged;
  double overlap = 0;
  int overlaps = 0;
  for (const ReportVideo& video : row->videos) {
    if (!Good(video)) continue;
    if (video.scene_iou) {
      overlap += *video.scene_iou;
      ++overlaps;
    }
    for (const ReportRight& shows : video.shows) {
      if (judged[shows.axis]++ == 0) right.emplace_back(shows.axis, 0);
      for (auto& [axis, count] : right) {
        if (axis == shows.axis) count += shows.right;
      }
    }
  }
  if (overlaps > 0) row->scene_iou = overlap / overlaps;
  if (right.empty()) return;
  row->adherence.clear();
  for (const auto& [axis, count] : right) {
    const double n = judged[axis];
    row->adherence.push_back({axis, count / n, WilsonInterval(count / n, n)});
  }
}

using Seconds = double ReportVideo::*;
using Runs = std::vector<double> ReportVideo::*;

// Of all timed runs; of the videos' own seconds where there are no runs (`runs` may be nullptr).
ReportTiming SummarizeTiming(const ReportRow& row, Seconds seconds, Runs runs) {
  std::vector<double> values;
  for (const ReportVideo& video : row.videos) {
    if (!Good(video)) continue;
    if (runs && !(video.*runs).empty()) {
      values.insert(values.end(), (video.*runs).begin(), (video.*runs).end());
    } else if (video.*seconds >= 0) {
      values.push_back(video.*seconds);
    }
  }
  if (values.empty()) return {};
  return {Median(values),
          Percentile(values, 0.25),
          Percentile(values, 0.75),
          static_cast<int>(values.size())};
}

// The videos without error, in the order in which eval-metrics pools them.
std::vector<const ReportVideo*> InOrderOfNames(const ReportRow& row) {
  std::vector<const ReportVideo*> videos;
  for (const ReportVideo& video : row.videos) {
    if (Good(video)) videos.push_back(&video);
  }
  std::ranges::stable_sort(videos, [](const ReportVideo* a, const ReportVideo* b) {
    return NaturalLess(StemOf(*a), StemOf(*b));
  });
  return videos;
}

// None where no video has the metric.
std::optional<ReportMetric> SummarizeMetric(const std::vector<const ReportVideo*>& videos,
                                            const MetricInfo& metric,
                                            PoolingOptions options) {
  std::vector<double> values;
  for (const ReportVideo* video : videos) {
    if (const double* score = Find(video->scores, metric.name)) {
      values.push_back(*score);
    } else if (video->identical && std::isinf(metric.best)) {
      values.push_back(metric.best);
    }
  }
  if (values.empty()) return std::nullopt;
  options.higher_is_better = metric.higher_is_better;
  return Pool(values, options);
}

using VideoKey = std::pair<int, int64_t>;  // prompt, seed

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kManyRows = 500;
constexpr int kSamplesOfMany = 1000;

void CheckReport(const Report& report) {
  std::set<std::string> ids;
  for (const ReportRow& row : report.rows) {
    if (!ids.insert(row.id).second) ThrowUserError("sweep", "row \"{}\" appears twice", row.id);
  }
  const auto prompts = static_cast<int>(report.context.test_prompts.size());
  for (const ReportRow& row : report.rows) {
    if (!row.matches.empty() && !ids.contains(row.matches)) {
      ThrowUserError("sweep", "row \"{}\" matches \"{}\", which is no row", row.id, row.matches);
    }
    for (const ReportVideo& video : row.videos) {
      if (video.prompt < 0 || video.prompt >= prompts) {
        ThrowUserError("sweep",
                       "row \"{}\" has a video of prompt {} but there are {} test prompts",
                       row.id,
                       video.prompt,
                       prompts);
      }
      for (const auto& [name, score] : video.scores) {
        if (std::isfinite(score)) continue;
        ThrowUserError("sweep",
                       "row \"{}\", prompt {}: a score must be a finite number but {} is {}",
                       row.id,
                       video.prompt + 1,
                       name,
                       score);
      }
    }
  }
}

std::map<VideoKey, const ReportVideo*> VideosByKey(const ReportRow& row) {
  std::map<VideoKey, const ReportVideo*> videos;
  for (const ReportVideo& video : row.videos) {
    if (Good(video)) videos[{video.prompt, video.seed}] = &video;
  }
  return videos;
}

// Values of `a` and `b` for the prompts and seeds that both have, in order of prompt and seed.
template <typename Get>
std::pair<std::vector<double>, std::vector<double>> Paired(const ReportRow& a,
                                                           const ReportRow& b,
                                                           const Get& get) {
  const auto left = VideosByKey(a);
  const auto right = VideosByKey(b);
  std::pair<std::vector<double>, std::vector<double>> values;
  for (const auto& [key, video] : left) {
    const auto partner = right.find(key);
    if (partner == right.end()) continue;
    values.first.push_back(get(*video));
    values.second.push_back(get(*partner->second));
  }
  return values;
}

// Seconds of `before` over those of `after` for one video: the median over the rounds, in which the
// settings were timed one after the other, so that drift of the machine cancels. NaN = not known.
double VideoRatio(const ReportVideo& before, const ReportVideo& after, Seconds seconds, Runs runs) {
  const std::vector<double>& a = before.*runs;
  const std::vector<double>& b = after.*runs;
  std::vector<double> ratios;
  if (!a.empty() && a.size() == b.size()) {
    for (size_t round = 0; round < a.size(); ++round) {
      if (b[round] > 0) ratios.push_back(a[round] / b[round]);
    }
  } else if (before.*seconds >= 0 && after.*seconds > 0) {
    ratios.push_back(before.*seconds / after.*seconds);
  }
  return ratios.empty() ? kNone : Median(std::move(ratios));
}

ReportSpeedup SummarizeSpeedup(const ReportRow& uncached,
                               const ReportRow& row,
                               Seconds seconds,
                               Runs runs,
                               const SummaryOptions& options) {
  const auto before = VideosByKey(uncached);
  std::vector<double> videos;
  for (const auto& [key, video] : VideosByKey(row)) {
    const auto partner = before.find(key);
    if (partner == before.end()) continue;
    const double ratio = VideoRatio(*partner->second, *video, seconds, runs);
    if (std::isfinite(ratio)) videos.push_back(ratio);
  }
  if (videos.empty()) return {};
  return {Median(videos),
          BootstrapPercentile(videos, 0.5, options.bootstrap_samples, options.seed)};
}

// Whether the mean of `gains` is above (+1) or below (-1) zero in 97.5 % of the resamples. An
// infinite gain, of an identical video over another, outweighs every finite one; one on each side
// decide nothing.
int VerdictOf(const std::vector<double>& gains, const PoolingOptions& options) {
  int above = 0;
  int below = 0;
  Resampler random(options.seed);
  for (int sample = 0; sample < options.bootstrap_samples && gains.size() > 1; ++sample) {
    double sum = 0;  // NaN with infinite gains on both sides
    for (size_t i = 0; i < gains.size(); ++i) sum += gains[random.Below(gains.size())];
    above += sum > 0 ? 1 : 0;
    below += sum < 0 ? 1 : 0;
  }
  const double enough = 0.975 * options.bootstrap_samples;
  return above > enough ? 1 : below > enough ? -1 : 0;
}

// What each video of `a` gains over the same one of `b`; of two identical ones nothing.
std::vector<double> Gains(const std::vector<double>& a,
                          const std::vector<double>& b,
                          bool higher_is_better) {
  std::vector<double> gains;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) || std::isnan(b[i])) continue;
    const double gain = a[i] == b[i] ? 0 : a[i] - b[i];
    gains.push_back(higher_is_better ? gain : -gain);
  }
  return gains;
}

std::optional<ReportDifference> Difference(const ReportRow& a,
                                           const ReportRow& b,
                                           const MetricInfo& metric,
                                           PoolingOptions options) {
  const auto [left, right] = Paired(a, b, [&metric](const ReportVideo& video) {
    const double* score = Find(video.scores, metric.name);
    return score ? *score : video.identical && std::isinf(metric.best) ? metric.best : kNone;
  });
  options.higher_is_better = metric.higher_is_better;
  const PairedDifference difference = ComparePaired(left, right, options);
  if (!difference.ci95) return std::nullopt;
  return ReportDifference{difference.mean,
                          *difference.ci95,
                          static_cast<int>(difference.n),
                          static_cast<int>(difference.a_better),
                          static_cast<int>(difference.b_better),
                          VerdictOf(Gains(left, right, metric.higher_is_better), options)};
}

const ReportRow* UncachedRow(const Report& report, const std::string& model) {
  const auto found = std::ranges::find_if(report.rows, [&model](const ReportRow& row) {
    return row.policy == "none" && row.model == model;
  });
  return found == report.rows.end() ? nullptr : &*found;
}

double ComputedCalls(const ReportVideo& video) {
  return static_cast<double>(std::ranges::count(video.computed, true));
}

ReportComparison Compare(const Report& report,
                         const ReportRow& teacache,
                         const ReportRow& baseline,
                         const PoolingOptions& options) {
  ReportComparison comparison;
  comparison.a = teacache.id;
  comparison.b = baseline.id;
  const auto [a, b] = Paired(teacache, baseline, ComputedCalls);
  if (!a.empty()) {
    comparison.computed_a = Mean(a);
    comparison.computed_b = Mean(b);
  }
  for (const MetricInfo& metric : report.metrics) {
    if (!metric.needs_reference) continue;
    if (const auto difference = Difference(teacache, baseline, metric, options)) {
      comparison.differences[metric.name] = *difference;
    }
  }
  comparison.verdict = Verdict(report, comparison);
  return comparison;
}

void SummarizeRow(const Report& report, const SummaryOptions& options, ReportRow* row) {
  const PoolingOptions pooling{options.bootstrap_samples, options.seed, true};
  SummarizeCalls(row);
  SummarizeReplay(row);
  SummarizeScenes(row);
  row->failed = static_cast<int>(
      std::ranges::count_if(row->videos, [](const ReportVideo& video) { return !Good(video); }));
  row->transformer =
      SummarizeTiming(*row, &ReportVideo::transformer_seconds, &ReportVideo::transformer_runs);
  row->decode = SummarizeTiming(*row, &ReportVideo::decode_seconds, nullptr);
  row->total = SummarizeTiming(*row, &ReportVideo::total_seconds, &ReportVideo::total_runs);
  const std::vector<const ReportVideo*> videos = InOrderOfNames(*row);
  const ReportRow* uncached = UncachedRow(report, row->model);
  row->scores.clear();
  for (const MetricInfo& metric : report.metrics) {
    if (metric.needs_reference && (row->policy == "none" || !uncached)) continue;
    if (const auto pooled = SummarizeMetric(videos, metric, pooling)) {
      row->scores[metric.name] = *pooled;
    }
  }
  if (row->policy == "none") {
    row->speedup_transformer.value = row->transformer.n > 0 ? 1 : 0;
    row->speedup_total.value = row->total.n > 0 ? 1 : 0;
  }
  if (row->policy == "none" || !uncached) return;
  row->speedup_transformer = SummarizeSpeedup(
      *uncached, *row, &ReportVideo::transformer_seconds, &ReportVideo::transformer_runs, options);
  row->speedup_total = SummarizeSpeedup(
      *uncached, *row, &ReportVideo::total_seconds, &ReportVideo::total_runs, options);
}

}  // namespace

ReportSpeedup PairedSpeedup(const ReportRow& before,
                            const ReportRow& after,
                            const SummaryOptions& options) {
  return SummarizeSpeedup(
      before, after, &ReportVideo::total_seconds, &ReportVideo::total_runs, options);
}

void SummarizeReport(Report* report, const SummaryOptions& given) {
  if (given.bootstrap_samples < 100) {
    ThrowUserError(
        "sweep", "bootstrap_samples must be at least 100 but is {}", given.bootstrap_samples);
  }
  CheckReport(*report);
  DescribeMetrics(report);
  SummaryOptions options = given;
  if (report->rows.size() > kManyRows) {
    options.bootstrap_samples = std::min(options.bootstrap_samples, kSamplesOfMany);
  }
  for (ReportRow& row : report->rows) SummarizeRow(*report, options, &row);
  AddRowNotes(report);
  const PoolingOptions pooling{options.bootstrap_samples, options.seed, true};
  std::map<std::string, const ReportRow*> by_id;
  for (const ReportRow& row : report->rows) by_id[row.id] = &row;
  report->comparisons.clear();
  for (const ReportRow& row : report->rows) {
    if (row.matches.empty()) continue;
    report->comparisons.push_back(Compare(*report, *by_id.at(row.matches), row, pooling));
  }
  report->fronts = ParetoFronts(*report);
  report->choices = ChooseSettings(*report);
  report->requirements = CheckReport(*report, ParseRequirements(report->context.require));
  report->decisions = ChooseThresholds(*report, report->context.floor);
  report->conclusions = DrawConclusions(*report);
}

}  // namespace teacache
