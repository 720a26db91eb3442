#include "reports/findings/row_summary.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "datasets/base/files.h"

namespace teacache {
namespace {

bool Good(const SweepVideo& video) { return video.error.empty(); }

std::optional<double> Finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<SweepInterval> FiniteInterval(double lo, double hi) {
  if (!std::isfinite(lo) || !std::isfinite(hi)) return std::nullopt;
  return SweepInterval{lo, hi};
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

// 95 % interval of a share of `n` videos (Wilson 1927).
SweepInterval WilsonInterval(double share, double n) {
  constexpr double kZ = 1.959963984540054;
  const double center = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (center - half) / scale), std::min(1.0, (center + half) / scale)};
}

// The name that eval-metrics gives a video: of its file, without folders and extension.
std::string_view StemOf(const SweepVideo& video) {
  std::string_view name = video.scored_path.empty() ? video.path : video.scored_path;
  if (const size_t slash = name.rfind('/'); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

SweepMetric Pool(const std::vector<double>& values, const PoolingOptions& options) {
  const MetricSummary summary = Summarize(values, {}, options);
  SweepMetric metric{Finite(summary.mean),
                     Finite(summary.median),
                     Finite(summary.std),
                     FiniteInterval(summary.ci95_lo, summary.ci95_hi),
                     Finite(summary.p5),
                     std::nullopt,
                     static_cast<int>(summary.n),
                     static_cast<int>(summary.identical)};
  std::vector<double> finite;
  std::ranges::copy_if(
      values, std::back_inserter(finite), [](double value) { return std::isfinite(value); });
  const Interval worst = BootstrapPercentile(
      finite, options.higher_is_better ? 0.05 : 0.95, options.bootstrap_samples, options.seed);
  metric.p5_ci95 = FiniteInterval(worst.lo, worst.hi);
  return metric;
}

}  // namespace

void SummarizeCalls(SweepRow* row) {
  row->computed_min = row->calls;
  row->computed_max = 0;
  row->longest_skip = 0;
  int64_t sum = 0;
  int64_t videos = 0;
  for (const SweepVideo& video : row->videos) {
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

void SummarizeReplay(SweepRow* row) {
  int64_t computed = 0;
  int64_t agree = 0;
  int64_t calls = 0;
  int64_t videos = 0;
  for (const SweepVideo& video : row->videos) {
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
void SummarizeScenes(SweepRow* row) {
  std::vector<std::pair<std::string, int>> right;
  std::map<std::string, int> judged;
  double overlap = 0;
  int overlaps = 0;
  for (const SweepVideo& video : row->videos) {
    if (!Good(video)) continue;
    if (video.scene_iou) {
      overlap += *video.scene_iou;
      ++overlaps;
    }
    for (const SweepRight& shows : video.shows) {
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

SweepTiming SummarizeTiming(const SweepRow& row, VideoSeconds seconds, VideoRuns runs) {
  std::vector<double> values;
  for (const SweepVideo& video : row.videos) {
    if (!Good(video)) continue;
    if (runs && !(video.*runs).empty()) {
      values.insert(values.end(), (video.*runs).begin(), (video.*runs).end());
    } else if (video.*seconds >= 0) {
      values.push_back(video.*seconds);
    }
  }
  if (values.empty()) return {};
  return {Percentile(values, 0.5),
          Percentile(values, 0.25),
          Percentile(values, 0.75),
          static_cast<int>(values.size())};
}

std::vector<const SweepVideo*> InOrderOfNames(const SweepRow& row) {
  std::vector<const SweepVideo*> videos;
  for (const SweepVideo& video : row.videos) {
    if (Good(video)) videos.push_back(&video);
  }
  std::ranges::stable_sort(videos, [](const SweepVideo* a, const SweepVideo* b) {
    return NaturalLess(StemOf(*a), StemOf(*b));
  });
  return videos;
}

std::optional<SweepMetric> SummarizeMetric(const std::vector<const SweepVideo*>& videos,
                                           VideoScoreField score,
                                           const PoolingOptions& options) {
  std::vector<double> values;
  for (const SweepVideo* video : videos) {
    if (video->*score) {
      values.push_back(*(video->*score));
    } else if (score == &SweepVideo::psnr && video->identical) {
      values.push_back(std::numeric_limits<double>::infinity());
    }
  }
  if (values.empty()) return std::nullopt;
  return Pool(values, options);
}

std::vector<SweepExtra> SummarizeExtra(const std::vector<const SweepVideo*>& videos,
                                       const std::vector<SweepMetricInfo>& metrics,
                                       PoolingOptions options) {
  std::vector<SweepExtra> extra;
  for (const SweepMetricInfo& info : metrics) {
    std::vector<double> values;
    for (const SweepVideo* video : videos) {
      for (const SweepScore& score : video->extra) {
        if (score.name == info.name) values.push_back(score.value);
      }
    }
    options.higher_is_better = info.higher_is_better;
    if (!values.empty()) extra.push_back({info.name, Pool(values, options)});
  }
  return extra;
}

}  // namespace teacache
