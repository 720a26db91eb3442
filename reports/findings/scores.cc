#include "reports/findings/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "metrics/vbench/results.h"

namespace teacache {

void SetScores(const VideoScore& score, ReportVideo* video) {
  video->error = score.error;
  video->identical = score.ok() && score.frames > 0 && score.identical_frames == score.frames;
  for (const auto& [metric, value] : score.scores) {
    if (std::isfinite(value)) video->scores[metric] = value;
  }
}

std::string ScoresDefinition(const ScoreOptions& options) {
  std::string text;
  for (const auto& metric : options.metrics) {
    text += metric->info().name + ": " + metric->info().definition + "\n";
  }
  return text;
}

VbenchOptions NativeVbench() {
  VbenchOptions options;
  for (const VbenchDimension& dimension : VbenchDimensions()) {
    if (dimension.source == VbenchSource::kNative) options.dimensions.push_back(&dimension);
  }
  options.scorers = {MakeFlickerScorer()};
  return options;
}

std::vector<MetricInfo> VbenchMetrics(const VbenchOptions& options) {
  std::vector<MetricInfo> metrics;
  for (const VbenchDimension* dimension : options.dimensions) {
    MetricInfo info;
    info.needs_reference = false;
    info.name = dimension->name;
    info.label = dimension->name;
    std::ranges::replace(info.label, '_', ' ');
    info.definition = fmt::format(
        "VBench's {} of each video by itself, from 0 to 1: {}{} (as vbench-score "
        "--custom; the mean here is over videos).",
        info.label,
        dimension->score,
        dimension->model.empty() ? "" : fmt::format("; {}", dimension->model));
    metrics.push_back(std::move(info));
  }
  return metrics;
}

std::string VbenchDefinition(const VbenchOptions& options) {
  std::string text = fmt::format("decoder {}\n", static_cast<int>(options.reader.decoder));
  for (const VbenchDimension* dimension : options.dimensions) {
    text += fmt::format("{}: {}\n", dimension->name, dimension->score);
  }
  for (const auto& scorer : options.scorers) {
    for (const auto& [name, value] : scorer->Context()) text += name + ": " + value + "\n";
  }
  return text;
}

std::map<std::string, double> VbenchScores(const VbenchVideoScore& score) {
  // Through the summary of one video, which knows the scales and what does not count.
  VbenchResults one;
  one.videos = {score};
  SummarizeVbench({.bootstrap_samples = 0}, &one);
  std::map<std::string, double> scores;
  for (const auto& [name, summary] : one.summary) scores[name] = summary.videos.mean;
  return scores;
}

std::vector<std::string> VbenchWarnings(const std::vector<VbenchVideoScore>& failed) {
  struct Reason {
    int videos = 0;
    std::string first;
  };
  std::map<std::string, Reason> reasons;  // by dimension; "" = all of them
  for (const VbenchVideoScore& score : failed) {
    for (const auto& [dimension, error] : score.errors) {
      Reason& reason = reasons[dimension];
      if (reason.videos++ == 0) reason.first = fmt::format("{}: {}", score.name, error);
    }
  }
  std::vector<std::string> warnings;
  for (const auto& [dimension, reason] : reasons) {
    warnings.push_back(fmt::format("{} of {} video{} could not be computed ({})",
                                   dimension.empty() ? "VBench's dimensions" : dimension,
                                   reason.videos,
                                   reason.videos == 1 ? "" : "s",
                                   reason.first));
  }
  return warnings;
}

}  // namespace teacache
