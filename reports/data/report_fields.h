#pragma once

#include <limits>
#include <optional>

#include "reports/data/report.h"

namespace teacache {

// The keys of report.json, struct by struct, in the order in which they are written.
// One list of keys per struct serves both directions: an archive is called with key and member.

template <typename Archive>
void Visit(Archive& archive, Interval& value) {
  archive("lo", value.lo);
  archive("hi", value.hi);
}

template <typename Archive>
void Visit(Archive& archive, ReportFloor& value) {
  archive("metric", value.metric);
  archive("value", value.value);
}

template <typename Archive>
void Visit(Archive& archive, ReportContext& value) {
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
  archive("libraries", value.libraries);
  archive("argv", value.argv);
  archive("fit_prompts", value.fit_prompts);
  archive("test_prompts", value.test_prompts);
  archive("prompts_asked", value.prompts_asked);
  archive("seeds", value.seeds);
  archive("warnings", value.warnings);
}

template <typename Archive>
void Visit(Archive& archive, ReportModel& value) {
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
void Visit(Archive& archive, ReportPair& value) {
  archive("x", value.x);
  archive("y", value.y);
  archive("prompt", value.prompt);
  archive("call", value.call);
}

template <typename Archive>
void Visit(Archive& archive, ReportFit& value) {
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
}

template <typename Archive>
void Visit(Archive& archive, ReportMetric& value) {
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
void Visit(Archive& archive, ReportTiming& value) {
  archive("median", value.median);
  archive("lo", value.lo);
  archive("hi", value.hi);
  archive("n", value.n);
}

template <typename Archive>
void Visit(Archive& archive, ReportSpeedup& value) {
  archive("value", value.value);
  archive("ci95", value.ci95);
}

// Infinity, which JSON does not have, is null.
template <typename Archive>
void Visit(Archive& archive, MetricInfo& value) {
  archive("name", value.name);
  archive("label", value.label);
  archive("unit", value.unit);
  archive("higher_is_better", value.higher_is_better);
  archive("digits", value.digits);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  std::optional<double> best;
  if (value.best != kInf) best = value.best;
  archive("best", best);
  value.best = best.value_or(kInf);
  archive("needs_reference", value.needs_reference);
  archive("definition", value.definition);
}

template <typename Archive>
void Visit(Archive& archive, ReportShare& value) {
  archive("axis", value.axis);
  archive("share", value.share);
  archive("ci95", value.ci95);
}

template <typename Archive>
void Visit(Archive& archive, ReportRight& value) {
  archive("axis", value.axis);
  archive("right", value.right);
}

template <typename Archive>
void Visit(Archive& archive, ReportVideo& value) {
  archive("prompt", value.prompt);
  archive("seed", value.seed);
  archive("path", value.path);
  archive("scored_path", value.scored_path);
  archive("error", value.error);
  archive("computed", value.computed);
  archive("replayed", value.replayed);
  archive("identical", value.identical);
  archive("scores", value.scores);
  archive("shows", value.shows);
  archive("scene_iou", value.scene_iou);
  archive("transformer_seconds", value.transformer_seconds);
  archive("decode_seconds", value.decode_seconds);
  archive("total_seconds", value.total_seconds);
  archive("transformer_runs", value.transformer_runs);
  archive("total_runs", value.total_runs);
}

template <typename Archive>
void Visit(Archive& archive, ReportRow& value) {
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
  archive("scores", value.scores);
  archive("adherence", value.adherence);
  archive("scene_iou", value.scene_iou);
  archive("bytes", value.bytes);
  archive("codec", value.codec);
  archive("failed", value.failed);
  archive("videos", value.videos);
}

template <typename Archive>
void Visit(Archive& archive, ReportDifference& value) {
  archive("mean", value.mean);
  archive("ci95", value.ci95);
  archive("n", value.n);
  archive("a_better", value.a_better);
  archive("b_better", value.b_better);
  archive("verdict", value.verdict);
}

template <typename Archive>
void Visit(Archive& archive, ReportOption& value) {
  archive("row", value.row);
  archive("policy", value.policy);
  archive("keeps", value.keeps);
  archive("worst", value.worst);
  archive("worst_ci95", value.worst_ci95);
  archive("videos", value.videos);
  archive("behind", value.behind);
}

template <typename Archive>
void Visit(Archive& archive, ReportChoice& value) {
  archive("model", value.model);
  archive("metric", value.metric);
  archive("floor", value.floor);
  archive("of_worst_video", value.of_worst_video);
  archive("options", value.options);
}

template <typename Archive>
void Visit(Archive& archive, ReportComparison& value) {
  archive("a", value.a);
  archive("b", value.b);
  archive("computed_a", value.computed_a);
  archive("computed_b", value.computed_b);
  archive("verdict", value.verdict);
  archive("differences", value.differences);
}

template <typename Archive>
void Visit(Archive& archive, ReportFront& value) {
  archive("model", value.model);
  archive("metric", value.metric);
  archive("rows", value.rows);
  archive("knee", value.knee);
}

template <typename Archive>
void Visit(Archive& archive, ReportDecision& value) {
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
void Visit(Archive& archive, Conclusion& value) {
  archive("kind", value.kind);
  archive("model", value.model);
  archive("headline", value.headline);
  archive("text", value.text);
}

template <typename Archive>
void Visit(Archive& archive, Report& value) {
  archive("context", value.context);
  archive("models", value.models);
  archive("metrics", value.metrics);
  archive("fits", value.fits);
  archive("rows", value.rows);
  archive("comparisons", value.comparisons);
  archive("choices", value.choices);
  archive("fronts", value.fronts);
  archive("decisions", value.decisions);
  archive("conclusions", value.conclusions);
}

}  // namespace teacache
