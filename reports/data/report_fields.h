#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "datasets/base/archive.h"
#include "datasets/results_fields.h"
#include "reports/data/report.h"

namespace teacache {

// The fields of report.json, struct by struct, in the order in which they are written (see
// archive.h). All may be absent. NaN and infinities are written as null, and null leaves the
// default.

// Numbers by name; what is not finite is left out, and null is read as absent.
struct ScoresJson {
  std::map<std::string, double>& scores;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

// Names of libraries and their versions, as an object in their order.
struct LibrariesJson {
  std::vector<std::pair<std::string, std::string>>& libraries;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

// Kinds that are not known are read as kOther.
struct KindJson {
  ConclusionKind& kind;

  void ReadJson(const JsonNode& node) const;
  void WriteJson(JsonText* text) const;
};

struct OptionalNumberJson {
  std::optional<double>& value;

  void ReadJson(const JsonNode& node) const {
    value = node.is_null() ? std::nullopt : std::optional(node.Number());
  }
  void WriteJson(JsonText* text) const {
    double number = value.value_or(std::numeric_limits<double>::quiet_NaN());
    NumberOrNull{number}.WriteJson(text);
  }
};

// An archive that takes numbers and schedules as above.
template <typename Archive>
struct ReportFields {
  Archive& archive;

  template <typename T>
  void operator()(std::string_view name, T& value) const {
    if constexpr (std::is_same_v<T, double>) {
      archive(name, NumberOrNull{value, value});
    } else if constexpr (std::is_same_v<T, std::optional<double>>) {
      archive(name, OptionalNumberJson{value});
    } else if constexpr (std::is_same_v<T, std::map<std::string, double>>) {
      archive(name, ScoresJson{value});
    } else if constexpr (std::is_same_v<T, std::vector<bool>>) {
      archive(name, CallsText{value, "10"});
    } else {
      archive(name, value);
    }
  }
};

// Version 1 (0.1.0) has PSNR, SSIM and LPIPS as fields, and further scores in "extra", each
// {"name", `content`}.
template <typename Archive, typename T>
void VisitScores(Archive& archive,
                 std::string_view name,
                 std::string_view content,
                 std::map<std::string, T>& scores) {
  ReportFields<Archive>{archive}(name, scores);
  if constexpr (Archive::kReads) {
    const auto read = [&scores](std::string_view metric, const JsonNode& score) {
      if (!score.is_null()) scores[std::string(metric)] = FromJson<T>(score);
    };
    for (const std::string& metric : UndescribedMetrics()) {
      if (archive.Take(metric)) read(metric, archive.value());
    }
    if (!content.empty() && archive.Take("extra")) {
      archive.value().ForEachElement(
          [&](const JsonNode& item) { read(item.At("name").Text(), item.At(content)); });
    }
  }
}

template <typename Archive>
void Visit(Archive& json, Interval& value) {
  const ReportFields<Archive> archive{json};
  archive("lo", value.lo);
  archive("hi", value.hi);
}

template <typename Archive>
void Visit(Archive& json, ReportFloor& value) {
  const ReportFields<Archive> archive{json};
  archive("metric", value.metric);
  archive("value", value.value);
}

template <typename Archive>
void Visit(Archive& json, ReportContext& value) {
  const ReportFields<Archive> archive{json};
  archive("title", value.title);
  archive("tool_version", value.tool_version);
  archive("git_commit", value.git_commit);
  archive("started", value.started);
  archive("seconds", value.seconds);
  archive("machine", value.machine);
  archive("os", value.os);
  archive("cpu", value.cpu);
  archive("device", value.device);
  archive("threads", value.threads);
  archive("processors", value.processors);
  archive("load", value.load);
  archive("load_end", value.load_end);
  archive("timed_runs", value.timed_runs);
  archive("scored", value.scored);
  archive("floor", value.floor);
  archive("require", value.require);
  // Until 0.1.0 the floor was of PSNR.
  if constexpr (Archive::kReads) archive("psnr_floor", value.floor.value);
  json("libraries", LibrariesJson{value.libraries});
  archive("argv", value.argv);
  archive("fit_prompts", value.fit_prompts);
  archive("test_prompts", value.test_prompts);
  archive("prompts_asked", value.prompts_asked);
  archive("seeds", value.seeds);
  archive("warnings", value.warnings);
}

template <typename Archive>
void Visit(Archive& json, ReportModel& value) {
  const ReportFields<Archive> archive{json};
  archive("name", value.name);
  archive("description", value.description);
  archive("weights_digest", value.weights_digest);
  archive("parameters", value.parameters);
  archive("dtype", value.dtype);
  archive("scheduler", value.scheduler);
  archive("steps", value.steps);
  archive("calls", value.calls);
  archive("guidance", value.guidance);
  archive("width", value.width);
  archive("height", value.height);
  archive("frames", value.frames);
  archive("fps", value.fps);
  archive("teacache_mode", value.teacache_mode);
}

template <typename Archive>
void Visit(Archive& json, ReportPair& value) {
  const ReportFields<Archive> archive{json};
  archive("x", value.x);
  archive("y", value.y);
  archive("prompt", value.prompt);
  archive("call", value.call);
}

template <typename Archive>
void Visit(Archive& json, ReportFit& value) {
  const ReportFields<Archive> archive{json};
  archive("name", value.name);
  archive("source", value.source);
  archive("model", value.model);
  archive("coefficients", value.coefficients);
  archive("r2", value.r2);
  archive("pearson", value.pearson);
  archive("r2_ci95", value.r2_ci95);
  archive("pearson_ci95", value.pearson_ci95);
  archive("rmse", value.rmse);
  archive("x_range", value.x_range);
  archive("y_range", value.y_range);
  archive("pairs", value.pairs);
  archive("left_out", value.left_out);
}

template <typename Archive>
void Visit(Archive& json, ReportMetric& value) {
  const ReportFields<Archive> archive{json};
  archive("mean", value.mean);
  archive("median", value.median);
  archive("std", value.std);
  archive("ci95", value.ci95);
  archive("capped_mean", value.capped_mean);
  archive("worst", value.worst);
  archive("p5", value.p5);
  archive("p5_ci95", value.p5_ci95);
  archive("n", value.n);
  archive("identical", value.identical);
}

template <typename Archive>
void Visit(Archive& json, ReportTiming& value) {
  const ReportFields<Archive> archive{json};
  archive("median", value.median);
  archive("lo", value.lo);
  archive("hi", value.hi);
  archive("n", value.n);
}

template <typename Archive>
void Visit(Archive& json, ReportSpeedup& value) {
  const ReportFields<Archive> archive{json};
  archive("value", value.value);
  archive("ci95", value.ci95);
}

// Infinity, which JSON does not have, is null.
template <typename Archive>
void Visit(Archive& json, MetricInfo& value) {
  const ReportFields<Archive> archive{json};
  archive("name", value.name);
  archive("label", value.label);
  archive("unit", value.unit);
  archive("higher_is_better", value.higher_is_better);
  archive("digits", value.digits);
  json("best", NumberOrNull{value.best, std::numeric_limits<double>::infinity()});
  archive("needs_reference", value.needs_reference);
  archive("definition", value.definition);
}

template <typename Archive>
void Visit(Archive& json, ReportShare& value) {
  const ReportFields<Archive> archive{json};
  archive("axis", value.axis);
  archive("share", value.share);
  archive("ci95", value.ci95);
}

template <typename Archive>
void Visit(Archive& json, ReportRight& value) {
  const ReportFields<Archive> archive{json};
  archive("axis", value.axis);
  archive("right", value.right);
}

template <typename Archive>
void Visit(Archive& json, ReportVideo& value) {
  const ReportFields<Archive> archive{json};
  archive("prompt", value.prompt);
  archive("seed", value.seed);
  archive("path", value.path);
  archive("scored_path", value.scored_path);
  archive("error", value.error);
  archive("computed", value.computed);
  archive("replayed", value.replayed);
  archive("identical", value.identical);
  VisitScores(json, "scores", "value", value.scores);
  archive("shows", value.shows);
  archive("scene_iou", value.scene_iou);
  archive("transformer_seconds", value.transformer_seconds);
  archive("decode_seconds", value.decode_seconds);
  archive("total_seconds", value.total_seconds);
  archive("transformer_runs", value.transformer_runs);
  archive("total_runs", value.total_runs);
}

template <typename Archive>
void Visit(Archive& json, ReportRow& value) {
  const ReportFields<Archive> archive{json};
  archive("id", value.id);
  archive("model", value.model);
  archive("policy", value.policy);
  archive("label", value.label);
  archive("fit", value.fit);
  archive("threshold", value.threshold);
  archive("computed_target", value.computed_target);
  archive("matches", value.matches);
  archive("notes", value.notes);
  archive("calls", value.calls);
  archive("computed_mean", value.computed_mean);
  archive("computed_min", value.computed_min);
  archive("computed_max", value.computed_max);
  archive("longest_skip", value.longest_skip);
  archive("replayed_mean", value.replayed_mean);
  archive("replayed_agrees", value.replayed_agrees);
  archive("transformer", value.transformer);
  archive("decode", value.decode);
  archive("total", value.total);
  archive("speedup_transformer", value.speedup_transformer);
  archive("speedup_total", value.speedup_total);
  VisitScores(json, "scores", "pooled", value.scores);
  archive("adherence", value.adherence);
  archive("scene_iou", value.scene_iou);
  archive("bytes", value.bytes);
  archive("codec", value.codec);
  archive("failed", value.failed);
  archive("videos", value.videos);
}

template <typename Archive>
void Visit(Archive& json, ReportDifference& value) {
  const ReportFields<Archive> archive{json};
  archive("mean", value.mean);
  archive("ci95", value.ci95);
  archive("n", value.n);
  archive("a_better", value.a_better);
  archive("b_better", value.b_better);
  archive("verdict", value.verdict);
}

template <typename Archive>
void Visit(Archive& json, ReportOption& value) {
  const ReportFields<Archive> archive{json};
  archive("row", value.row);
  archive("policy", value.policy);
  archive("keeps", value.keeps);
  archive("worst", value.worst);
  archive("worst_ci95", value.worst_ci95);
  archive("videos", value.videos);
  archive("behind", value.behind);
}

template <typename Archive>
void Visit(Archive& json, ReportChoice& value) {
  const ReportFields<Archive> archive{json};
  archive("model", value.model);
  archive("metric", value.metric);
  archive("floor", value.floor);
  archive("of_worst_video", value.of_worst_video);
  archive("options", value.options);
}

template <typename Archive>
void Visit(Archive& json, ReportComparison& value) {
  const ReportFields<Archive> archive{json};
  archive("a", value.a);
  archive("b", value.b);
  archive("computed_a", value.computed_a);
  archive("computed_b", value.computed_b);
  archive("verdict", value.verdict);
  VisitScores(json, "differences", "", value.differences);
}

template <typename Archive>
void Visit(Archive& json, ReportFront& value) {
  const ReportFields<Archive> archive{json};
  archive("model", value.model);
  archive("metric", value.metric);
  archive("rows", value.rows);
  archive("knee", value.knee);
}

template <typename Archive>
void Visit(Archive& json, ReportDecision& value) {
  const ReportFields<Archive> archive{json};
  archive("model", value.model);
  archive("fit", value.fit);
  archive("metric", value.metric);
  archive("target", value.target);
  archive("worst", value.worst);
  archive("reached", value.reached);
  archive("threshold", value.threshold);
  archive("ci95", value.ci95);
  archive("row", value.row);
  archive("text", value.text);
}

template <typename Archive>
void Visit(Archive& json, Conclusion& value) {
  const ReportFields<Archive> archive{json};
  json("kind", KindJson{value.kind});
  archive("model", value.model);
  archive("headline", value.headline);
  archive("text", value.text);
}

// Version 0.1.0 wrote sentences alone.
struct ConclusionsJson {
  std::vector<Conclusion>& conclusions;

  void ReadJson(const JsonNode& node) const {
    node.ForEachElement([this](const JsonNode& item) {
      if (item.is_string()) {
        conclusions.emplace_back().text = item.String();
      } else {
        conclusions.push_back(FromJson<Conclusion>(item));
      }
    });
  }
  void WriteJson(JsonText* text) const { json_values::Write(text, conclusions); }
};

template <typename Archive>
void Visit(Archive& json, Report& value) {
  json.Format("teacache-sweep", Report::kVersion, /*oldest=*/1);
  const ReportFields<Archive> archive{json};
  archive("context", value.context);
  archive("models", value.models);
  archive("metrics", value.metrics);
  archive("fits", value.fits);
  archive("rows", value.rows);
  archive("comparisons", value.comparisons);
  archive("choices", value.choices);
  archive("requirements", value.requirements);
  archive("fronts", value.fronts);
  archive("decisions", value.decisions);
  json("conclusions", ConclusionsJson{value.conclusions});
}

}  // namespace teacache
