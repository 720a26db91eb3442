#include "reports/sweep_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "datasets/error.h"
#include "metrics/pooling.h"
#include "reports/labels.h"

namespace teacache {
namespace {

using Seconds = double SweepVideo::*;
using Score = std::optional<double> SweepVideo::*;
using VideoKey = std::pair<int, int64_t>;  // prompt, seed

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

bool Good(const SweepVideo& video) { return video.error.empty(); }

std::optional<double> Finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<SweepInterval> FiniteInterval(double lo, double hi) {
  if (!std::isfinite(lo) || !std::isfinite(hi)) return std::nullopt;
  return SweepInterval{lo, hi};
}

void CheckReport(const SweepReport& report) {
  std::set<std::string> ids;
  for (const SweepRow& row : report.rows) {
    if (!ids.insert(row.id).second) ThrowUserError("sweep", "row \"{}\" is there twice", row.id);
  }
  const auto prompts = static_cast<int>(report.context.test_prompts.size());
  for (const SweepRow& row : report.rows) {
    if (!row.matches.empty() && !ids.contains(row.matches)) {
      ThrowUserError("sweep", "row \"{}\" matches \"{}\", which is no row", row.id, row.matches);
    }
    for (const SweepVideo& video : row.videos) {
      if (video.prompt < 0 || video.prompt >= prompts) {
        ThrowUserError("sweep",
                       "row \"{}\" has a video of prompt {} but there are {} test prompts",
                       row.id,
                       video.prompt,
                       prompts);
      }
      for (const auto& score : {video.psnr, video.ssim, video.lpips}) {
        if (score && !std::isfinite(*score)) {
          ThrowUserError("sweep",
                         "row \"{}\", prompt {}: a score must be a finite number but is {}",
                         row.id,
                         video.prompt + 1,
                         *score);
        }
      }
    }
  }
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

SweepTiming SummarizeTiming(const SweepRow& row, Seconds seconds) {
  std::vector<double> values;
  for (const SweepVideo& video : row.videos) {
    if (Good(video) && video.*seconds >= 0) values.push_back(video.*seconds);
  }
  if (values.empty()) return {};
  return {Percentile(values, 0.5),
          Percentile(values, 0.25),
          Percentile(values, 0.75),
          static_cast<int>(values.size())};
}

std::optional<SweepMetric> SummarizeMetric(const SweepRow& row,
                                           Score score,
                                           const PoolingOptions& options) {
  std::vector<double> values;
  for (const SweepVideo& video : row.videos) {
    if (!Good(video)) continue;
    if (video.*score) {
      values.push_back(*(video.*score));
    } else if (score == &SweepVideo::psnr && video.identical) {
      values.push_back(std::numeric_limits<double>::infinity());
    }
  }
  if (values.empty()) return std::nullopt;
  const MetricSummary summary = Summarize(values, {}, options);
  return SweepMetric{Finite(summary.mean),
                     Finite(summary.median),
                     Finite(summary.std),
                     FiniteInterval(summary.ci95_lo, summary.ci95_hi),
                     Finite(summary.p5),
                     static_cast<int>(summary.n),
                     static_cast<int>(summary.identical)};
}

std::map<VideoKey, const SweepVideo*> VideosByKey(const SweepRow& row) {
  std::map<VideoKey, const SweepVideo*> videos;
  for (const SweepVideo& video : row.videos) {
    if (Good(video)) videos[{video.prompt, video.seed}] = &video;
  }
  return videos;
}

// Values of `a` and `b` for the prompts and seeds that both have, in order of prompt and seed.
template <typename Get>
std::pair<std::vector<double>, std::vector<double>> Paired(const SweepRow& a,
                                                           const SweepRow& b,
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

// As Percentile(values, 0.5), without sorting all of them. `values` loses its order.
double Median(std::vector<double>* values) {
  const auto middle = values->begin() + static_cast<std::ptrdiff_t>(values->size() / 2);
  std::nth_element(values->begin(), middle, values->end());
  if (values->size() % 2 == 1) return *middle;
  return (*std::max_element(values->begin(), middle) + *middle) / 2;
}

double Ratio(std::vector<double> uncached, std::vector<double> cached) {
  const double below = Median(&cached);
  return below > 0 ? Median(&uncached) / below : kNone;
}

SweepSpeedup SummarizeSpeedup(const SweepRow& uncached,
                              const SweepRow& row,
                              Seconds seconds,
                              const SweepSummaryOptions& options) {
  auto [before, after] =
      Paired(uncached, row, [seconds](const SweepVideo& video) { return video.*seconds; });
  for (size_t i = before.size(); i-- > 0;) {
    if (before[i] >= 0 && after[i] >= 0) continue;
    before.erase(before.begin() + static_cast<std::ptrdiff_t>(i));
    after.erase(after.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (before.empty() || !std::isfinite(Ratio(before, after))) return {};
  SweepSpeedup speedup{Ratio(before, after), std::nullopt};
  if (before.size() < 2) return speedup;
  std::mt19937_64 engine(options.seed);
  std::vector<double> ratios;
  std::vector<double> b(before.size());
  std::vector<double> a(before.size());
  for (int sample = 0; sample < options.bootstrap_samples; ++sample) {
    for (size_t i = 0; i < before.size(); ++i) {
      const size_t pick = engine() % before.size();
      b[i] = before[pick];
      a[i] = after[pick];
    }
    const double ratio = Ratio(b, a);
    if (std::isfinite(ratio)) ratios.push_back(ratio);
  }
  if (!ratios.empty()) speedup.ci95 = {Percentile(ratios, 0.025), Percentile(ratios, 0.975)};
  return speedup;
}

std::optional<SweepDifference> Difference(const SweepRow& a,
                                          const SweepRow& b,
                                          Score score,
                                          const PoolingOptions& options) {
  const auto [left, right] =
      Paired(a, b, [score](const SweepVideo& video) { return (video.*score).value_or(kNone); });
  const PairedDifference difference = ComparePaired(left, right, options);
  const auto interval = FiniteInterval(difference.ci95_lo, difference.ci95_hi);
  if (difference.n < 2 || !interval) return std::nullopt;
  return SweepDifference{difference.mean, *interval, static_cast<int>(difference.n)};
}

const SweepRow* UncachedRow(const SweepReport& report, const std::string& model) {
  const auto found = std::ranges::find_if(report.rows, [&model](const SweepRow& row) {
    return row.policy == "none" && row.model == model;
  });
  return found == report.rows.end() ? nullptr : &*found;
}

}  // namespace

void SummarizeSweep(SweepReport* report, const SweepSummaryOptions& options) {
  if (options.bootstrap_samples < 100) {
    ThrowUserError(
        "sweep", "bootstrap_samples must be at least 100 but is {}", options.bootstrap_samples);
  }
  CheckReport(*report);
  const PoolingOptions higher{options.bootstrap_samples, options.seed, true};
  const PoolingOptions lower{options.bootstrap_samples, options.seed, false};
  for (SweepRow& row : report->rows) {
    SummarizeCalls(&row);
    row.transformer = SummarizeTiming(row, &SweepVideo::transformer_seconds);
    row.decode = SummarizeTiming(row, &SweepVideo::decode_seconds);
    row.total = SummarizeTiming(row, &SweepVideo::total_seconds);
    const SweepRow* uncached = UncachedRow(*report, row.model);
    if (row.policy == "none" || !uncached) continue;
    row.psnr = SummarizeMetric(row, &SweepVideo::psnr, higher);
    row.ssim = SummarizeMetric(row, &SweepVideo::ssim, higher);
    row.lpips = SummarizeMetric(row, &SweepVideo::lpips, lower);
    row.speedup_transformer =
        SummarizeSpeedup(*uncached, row, &SweepVideo::transformer_seconds, options);
    row.speedup_total = SummarizeSpeedup(*uncached, row, &SweepVideo::total_seconds, options);
  }
  report->comparisons.clear();
  for (const SweepRow& row : report->rows) {
    if (row.matches.empty()) continue;
    const SweepRow& teacache = *FindRow(*report, row.matches);
    report->comparisons.push_back({teacache.id,
                                   row.id,
                                   Difference(teacache, row, &SweepVideo::psnr, higher),
                                   Difference(teacache, row, &SweepVideo::ssim, higher),
                                   Difference(teacache, row, &SweepVideo::lpips, lower)});
  }
  report->conclusions = DrawConclusions(*report, options.conclusions);
}

}  // namespace teacache
