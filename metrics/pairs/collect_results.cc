#include "metrics/pairs/collect_results.h"

#include <algorithm>
#include <set>
#include <utility>

#include "datasets/base/error.h"
#include "datasets/base/files.h"
#include "datasets/base/version.h"
#include "datasets/work/shard.h"

namespace teacache {
namespace {

void AddSummaries(Results* results, PoolingOptions pooling) {
  results->DescribeMetrics();
  for (const MetricInfo& metric : results->metrics) {
    std::vector<double> values;
    std::vector<int64_t> frames;
    bool scored = false;
    for (const VideoScore& video : results->videos) {
      const auto found = video.scores.find(metric.name);
      scored = scored || found != video.scores.end();
      if (!video.ok() || found == video.scores.end()) continue;
      values.push_back(found->second);
      frames.push_back(video.frames);
    }
    if (!scored) continue;
    pooling.higher_is_better = metric.higher_is_better;
    results->summary[metric.name] = Summarize(values, frames, pooling);
  }
}

}  // namespace

std::map<std::string, std::string> Definitions(const ScoreOptions& options,
                                               const PoolingOptions& pooling) {
  std::map<std::string, std::string> context;
  for (const auto& metric : options.metrics) {
    context[metric->info().name] = metric->info().definition;
  }
  if (options.scorer) context["device"] = options.scorer->Device();
  context["size_policy"] = NameOf(kSizePolicies, options.size);
  context["length_policy"] = NameOf(kLengthPolicies, options.length);
  context["ci95"] = IntervalText(pooling);
  context["p5"] = "5 % of the videos are worse than this";
  context["tool_version"] = kVersion;
  return context;
}

Results CollectResults(std::vector<VideoScore> videos,
                       const ScoreOptions& options,
                       const PoolingOptions& pooling) {
  Results results;
  results.context = Definitions(options, pooling);
  for (const auto& metric : options.metrics) results.metrics.push_back(metric->info());
  results.videos = std::move(videos);
  AddSummaries(&results, pooling);
  return results;
}

std::vector<RequirementOutcome> CheckResults(const Results& results,
                                             const std::vector<Requirement>& requirements,
                                             const std::string& of) {
  std::vector<RequirementOutcome> outcomes;
  for (const Requirement& requirement : requirements) {
    const MetricInfo* metric = FindMetric(results.metrics, requirement.metric);
    std::vector<double> values;
    for (const VideoScore& video : results.videos) {
      const auto found = video.scores.find(requirement.metric);
      if (found != video.scores.end()) values.push_back(found->second);
    }
    const bool higher = metric == nullptr || metric->higher_is_better;
    outcomes.push_back(CheckRequirement(requirement, values, higher, of));
  }
  return outcomes;
}

Results MergeResults(const std::vector<Results>& shards,
                     const PoolingOptions& pooling,
                     bool allow_missing_parts) {
  if (shards.empty()) ThrowUserError("--merge", "needs at least one results file");
  std::vector<std::string> parts;
  for (const Results& shard : shards) parts.push_back(PartOf(shard.context));
  const std::string missing = CheckParts(parts, allow_missing_parts);
  Results merged;
  std::set<std::string> names;
  for (const Results& shard : shards) {
    std::map<std::string, std::string> context = shard.context;
    context.erase("shard");
    // Intervals are computed again, so that other resamplings are no obstacle.
    if (context.contains("ci95")) context["ci95"] = IntervalText(pooling);
    if (&shard == &shards[0]) {
      merged.context = context;
      merged.metrics = shard.metrics;
    }
    if (context != merged.context) {
      for (const auto& [key, value] : context) {
        if (merged.context[key] != value) {
          ThrowUserError("--merge",
                         "definitions must agree but \"{}\" is \"{}\" and \"{}\"",
                         key,
                         merged.context[key],
                         value);
        }
      }
      ThrowUserError("--merge", "definitions must agree but one file lacks some");
    }
    for (const VideoScore& video : shard.videos) {
      if (!names.insert(video.name).second) {
        ThrowUserError(
            "--merge", "a video must be in one file only but \"{}\" is in two", video.name);
      }
      merged.videos.push_back(video);
    }
    const auto add = [](const std::vector<std::string>& from, std::vector<std::string>* to) {
      for (const std::string& text : from) {
        if (std::find(to->begin(), to->end(), text) == to->end()) to->push_back(text);
      }
    };
    add(shard.unmatched_gt, &merged.unmatched_gt);
    add(shard.unmatched_gen, &merged.unmatched_gen);
    add(shard.left_out, &merged.left_out);
    add(shard.warnings, &merged.warnings);
  }
  std::sort(merged.videos.begin(), merged.videos.end(), [](const auto& a, const auto& b) {
    return NaturalLess(a.name, b.name);
  });
  if (!missing.empty()) merged.context[kMissingParts] = missing;
  AddSummaries(&merged, pooling);
  return merged;
}

}  // namespace teacache
