#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datasets/base/archive.h"
#include "datasets/results.h"

namespace teacache {

// The fields of the files of results, struct by struct (see archive.h). NaN and infinities, which
// JSON does not have, are null.

// [lo, hi]; [null, null] = none.
struct IntervalOrNulls {
  std::optional<Interval>& interval;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

// Lists of numbers by name, null = infinity.
struct NumberLists {
  std::map<std::string, std::vector<double>>& lists;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

// A text; null = "".
struct TextOrNull {
  std::string& text;

  void ReadJson(const JsonNode& node) const { text = node.is_null() ? "" : node.String(); }
  void WriteJson(JsonText* json) const { text.empty() ? json->Null() : json->Value(text); }
};

template <typename Archive>
void Visit(Archive& archive, VideoInfo& info) {
  archive("path", info.path);
  archive("codec", info.codec);
  archive("pixel_format", info.pixel_format);
  archive("color_matrix", info.color_matrix);
  archive("color_range", info.color_range);
  archive("color_primaries", info.color_primaries);
  archive("color_transfer", info.color_transfer);
  archive("width", info.width);
  archive("height", info.height);
  archive("fps", NumberOrNull{info.fps, 0});
  archive("num_frames", info.num_frames);
  archive("variable_frame_rate", info.variable_frame_rate);
  archive("lossless", info.lossless);
  archive.Optional("lost_at_start", info.lost_at_start);
  archive.Optional("notes", info.notes);
}

template <typename Archive>
void Visit(Archive& archive, RequirementOutcome& outcome) {
  archive("requirement", outcome.requirement);
  archive.Optional("of", outcome.of);
  archive("statistic", outcome.statistic);
  archive("value", NumberOrNull{outcome.value});
  archive("met", outcome.met);
  archive("missing", outcome.missing);
}

// All but "identical".
template <typename Archive>
void VisitNumbers(Archive& archive, MetricSummary& summary) {
  archive("mean", NumberOrNull{summary.mean});
  archive("median", NumberOrNull{summary.median});
  archive("std", NumberOrNull{summary.std});
  archive("min", NumberOrNull{summary.min});
  archive("max", NumberOrNull{summary.max});
  archive("ci95", IntervalOrNulls{summary.ci95});
  archive("p5", NumberOrNull{summary.p5});
  archive("frame_weighted_mean", NumberOrNull{summary.frame_weighted_mean});
  archive("n", summary.n);
}

template <typename Archive>
void Visit(Archive& archive, MetricSummary& summary) {
  VisitNumbers(archive, summary);
  archive("identical", summary.identical);
}

template <typename Archive>
void Visit(Archive& archive, PairedDifference& difference) {
  archive("mean", NumberOrNull{difference.mean});
  archive("ci95", IntervalOrNulls{difference.ci95});
  archive("std", NumberOrNull{difference.std});
  archive("n", difference.n);
  archive("a_better", difference.a_better);
  archive("b_better", difference.b_better);
}

// The scores are fields beside the others: what has another name is a metric. Of a video that is
// identical to its ground truth null means infinity.
template <typename Archive>
void Visit(Archive& archive, VideoScore& score) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  archive.Required("name", score.name);
  archive.Required("frames", score.frames);
  bool identical = false;
  for (auto& [metric, value] : score.scores) {
    archive(metric, NumberOrNull{value});
    identical = identical || value == kInf;
  }
  archive("identical", identical);
  archive("identical_frames", score.identical_frames);
  archive.OptionalUnless(score.per_frame.empty(), "per_frame", NumberLists{score.per_frame});
  archive("gt", score.gt);
  archive("gen", score.gen);
  archive("warnings", score.warnings);
  archive("error", TextOrNull{score.error});
  if constexpr (Archive::kReads) {
    for (const std::string& metric : archive.Unknown()) {
      archive(metric,
              NumberOrNull{score.scores[metric],
                           identical ? kInf : std::numeric_limits<double>::quiet_NaN()});
    }
  }
}

// A metric as it is described beside its scores; its definition is in the context.
struct DescribedMetric {
  MetricInfo info;
};

template <typename Archive>
void Visit(Archive& archive, DescribedMetric& metric) {
  MetricInfo& info = metric.info;
  archive.Required("name", info.name);
  if constexpr (Archive::kReads) info = UndescribedMetric(info.name);
  archive("label", info.label);
  archive("unit", info.unit);
  archive("higher_is_better", info.higher_is_better);
  archive("digits", info.digits);
  archive("best", NumberOrNull{info.best, std::numeric_limits<double>::infinity()});
}

struct MetricsJson {
  std::vector<MetricInfo>& metrics;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

template <typename Archive>
void Visit(Archive& archive, Results& results) {
  archive.Format("teacache-results", Results::kVersion);
  archive("context", results.context);
  archive("metrics", MetricsJson{results.metrics});
  archive("summary", results.summary);
  archive.OptionalUnless(results.baseline.empty(), "baseline", results.baseline);
  archive.OptionalUnless(results.comparison.empty(), "comparison", results.comparison);
  archive.Required("videos", results.videos);
  archive("unmatched_gt", results.unmatched_gt);
  archive("unmatched_gen", results.unmatched_gen);
  archive.Optional("left_out", results.left_out);
  archive("warnings", results.warnings);
  archive.OptionalUnless(results.requirements.empty(), "requirements", results.requirements);
}

}  // namespace teacache
