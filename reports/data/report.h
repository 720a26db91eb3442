#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/statistics.h"
#include "datasets/metric_info.h"
#include "datasets/requirement.h"

namespace teacache {

// A finished sweep as plain values: what the writers of report.json, report.csv, report.md and
// report.html take, and what ReadReportJson gives back. Nothing here computes.
//
// Conventions: seconds are wall clock; scores are by the names of Report::metrics (a pair of
// identical videos has none where the best value is infinite); intervals are 95 %; paths are
// relative to the report's folder with '/' between parts; prompt numbers are 0-based positions in
// ReportContext::test_prompts.

// The score that the worst videos of a setting must keep for the setting to be recommended: at
// least this, or at most where lower is better.
struct ReportFloor {
  std::string metric = "psnr";  // MetricInfo::name
  double value = 30;
};

// Where, when and how the sweep ran.
struct ReportContext {
  std::string title;         // heading of the page; "" = made from the models' names
  std::string tool_version;  // "0.1.0"
  std::string git_commit;    // "" = unknown
  std::string started;       // ISO 8601, UTC
  double seconds = 0;        // of the whole sweep; 0 = unknown
  std::string machine;       // host name or a description
  std::string os;
  std::string cpu;
  std::string device;    // "cpu", "cuda:0 NVIDIA H200", ...
  int threads = 0;       // 0 = unknown
  int processors = 0;    // that the machine has; 0 = unknown
  double load = -1;      // one-minute load average at the start; -1 = unknown
  double load_end = -1;  // ... at the end, this program's own work included
  int timed_runs = 0;    // of every video, the warm-up not counted; 0 = unknown
  std::string scored;    // which files the scores are of, in words; "" = unknown
  ReportFloor floor;
  std::vector<std::string> require;  // limits that the scores must keep (datasets/requirement.h)
  // Test prompts that were asked for; more than test_prompts where time ran out. 0 = as many.
  int prompts_asked = 0;
  std::vector<std::pair<std::string, std::string>> libraries;  // name, version
  std::vector<std::string> argv;                               // without the program's folder
  std::vector<std::string> fit_prompts;                        // disjoint from test_prompts
  std::vector<std::string> test_prompts;
  std::vector<int64_t> seeds;         // every test prompt is generated once per seed
  std::vector<std::string> warnings;  // e.g. "LPIPS was left out: no weights"
};

struct ReportModel {
  std::string name;  // "shapes"
  std::string description;
  std::string weights_digest;  // sha256, "" = unknown
  int64_t parameters = 0;      // of the transformer; 0 = unknown
  std::string dtype;
  std::string scheduler;
  int steps = 0;
  int calls = 0;        // transformer calls of one uncached run
  double guidance = 0;  // classifier-free guidance scale; 0 = none
  int width = 0;        // pixels
  int height = 0;
  int frames = 0;
  double fps = 0;
  std::string teacache_mode;  // "strict", "reference" (see TeaCacheMode); "" = unknown
};

// One point that the polynomial is fitted to: relative L1 change of the modulated input (x) and of
// the residual of the blocks (y) between two calls of one run.
struct ReportPair {
  double x = 0;
  double y = 0;
  int prompt = 0;  // 0-based position in ReportContext::fit_prompts; -1 = unknown
  int call = 0;    // 0-based; the later of the two calls
};

// A coefficient set: fitted here, or taken from a publication (then without pairs, but with figures
// of how it does on the recorded ones).
struct ReportFit {
  std::string name = "fitted";
  std::string source;                // "" = fitted here; else where it is from
  std::string model;                 // ReportModel::name
  std::vector<double> coefficients;  // highest power first
  std::vector<ReportPair> pairs;
  // Calls of the recorded runs that gave no pair: how many by reason (calib/predecessors.h).
  std::map<std::string, int64_t> left_out;
  std::optional<double> r2;
  std::optional<double> pearson;  // of x and y
  std::optional<Interval> r2_ci95;
  std::optional<Interval> pearson_ci95;
  std::optional<double> rmse;
  Interval x_range;  // of the pairs; outside it the polynomial extrapolates
  Interval y_range;
};

// Pooled over the videos of one setting that were scored.
struct ReportMetric {
  std::optional<double> mean;  // none when all pairs failed, or are identical without a value
  std::optional<double> median;
  std::optional<double> std;     // sample standard deviation
  std::optional<Interval> ci95;  // of the mean
  // With identical videos as 100 dB, as TeaCache's script counts them; none where no video is
  // identical, or the metric has a value for such videos.
  std::optional<double> capped_mean;
  std::optional<double> worst;  // of all videos; none when all are identical without a value
  // Worst 5 %: 5th percentile; the 95th where lower is better. None below 20 videos.
  std::optional<double> p5;
  std::optional<Interval> p5_ci95;
  int n = 0;          // videos that have a number
  int identical = 0;  // pairs that are equal in every pixel
};

// Seconds per video, over all timed runs of all videos.
struct ReportTiming {
  double median = 0;
  double lo = 0;  // 25th percentile
  double hi = 0;  // 75th percentile
  int n = 0;      // measurements; 0 = not measured
};

// How many times faster than the uncached runs of the same model.
struct ReportSpeedup {
  double value = 0;  // 0 = not known: a side has no times
  std::optional<Interval> ci95;
};

// Share of videos that show what the prompt asks for, on one axis ("shape", "colour", ...), judged
// against the known scene.
struct ReportShare {
  std::string axis;
  double share = 0;              // in [0, 1]
  std::optional<Interval> ci95;  // Wilson
};

// Whether a video shows what its prompt asks for, on one axis.
struct ReportRight {
  std::string axis;
  bool right = false;
};

// One generated video of a setting.
struct ReportVideo {
  int prompt = 0;  // 0-based position in ReportContext::test_prompts
  int64_t seed = 0;
  std::string path;         // of the video file that plays on the page; "" = not kept
  std::string scored_path;  // of the file that was scored; "" = `path`
  std::string error;        // "" = fine; else the video counts nowhere
  // Per transformer call: computed or taken from the cache. With fewer steps there are fewer calls
  // than ReportRow::calls, all computed.
  std::vector<bool> computed;
  // What the rule makes of the signal of the uncached run, as fit-coeffs replays it; empty = not
  // known. It differs from `computed` where skipped calls changed what came after them.
  std::vector<bool> replayed;
  bool identical = false;  // to the uncached video of the same prompt and seed
  std::map<std::string, double> scores;
  std::vector<ReportRight> shows;   // empty = not judged
  std::optional<double> scene_iou;  // overlap with the true scene
  double transformer_seconds = -1;  // -1 = not measured; medians over the timed runs
  double decode_seconds = -1;
  double total_seconds = -1;
  std::vector<double> transformer_runs;  // every timed run; empty = one, the figures above
  std::vector<double> total_runs;
};

// One setting: a policy with its parameter, over all test videos.
struct ReportRow {
  std::string id;  // unique in the report and fit for a URL: "none", "teacache-0.1", "uniform-12"
  std::string model;  // ReportModel::name
  // "none", "teacache", "uniform", "mask", "steps", "magcache"; of foreign runs anything
  std::string policy;
  std::string label;  // for people, where the policy and its parameter say too little; "" = made
  std::string fit;    // ReportFit::name used by the policy; "" = none
  std::optional<double> threshold;        // of teacache
  std::optional<double> computed_target;  // computed calls asked for; of uniform, mask, steps
  // The teacache row whose computed calls this one was given, video by video or on average; the two
  // are compared as a pair. "" = none.
  std::string matches;
  // What a reader must know about this row: that it skips nothing, that videos are missing or
  // failed, that its files are of another codec than the uncached ones. Sentences.
  std::vector<std::string> notes;

  int calls = 0;             // transformer calls of one run
  double computed_mean = 0;  // computed calls of one run, mean over the videos
  int computed_min = 0;
  int computed_max = 0;
  int longest_skip = -1;  // longest run of skipped calls in any video; -1 = not known
  // Of ReportVideo::replayed, over the videos that have it; none = not known.
  std::optional<double> replayed_mean;    // computed calls
  std::optional<double> replayed_agrees;  // share of the calls where replayed and live agree

  ReportTiming transformer;
  ReportTiming decode;
  ReportTiming total;  // end to end
  ReportSpeedup speedup_transformer;
  ReportSpeedup speedup_total;

  std::map<std::string, ReportMetric> scores;  // that any of the videos has
  std::vector<ReportShare> adherence;          // empty = not judged
  std::optional<double> scene_iou;             // mean overlap with the true scene

  int64_t bytes = 0;  // of the video files; 0 = unknown
  std::string codec;  // of the scored files: "ffv1", "h264", ...; "" = unknown or several
  int failed = 0;     // videos with an error, those that are missing included
  std::vector<ReportVideo> videos;
};

// Mean difference of two rows over the same videos, a minus b, with a bootstrap interval.
struct ReportDifference {
  double mean = 0;
  Interval ci95;
  int n = 0;         // videos that have a number in both rows
  int a_better = 0;  // videos in which a is better; an identical one is better than any other
  int b_better = 0;
  // a is better (+1) or worse (-1) in 97.5 % of the resamples, identical videos counting as
  // infinitely better, or neither (0).
  int verdict = 0;
};

struct ReportComparison {
  std::string a;          // ReportRow::id, a teacache row
  std::string b;          // ReportRow::id of the baseline with as many computed calls
  double computed_a = 0;  // mean computed calls over the videos that both have
  double computed_b = 0;
  int verdict = 0;  // a is better (+1) or worse (-1) beyond the interval, or neither (0)
  std::map<std::string, ReportDifference> differences;  // of metrics that need a reference
};

// Which rows of a model no other row beats in both speed-up (end to end) and the mean of a metric.
struct ReportFront {
  std::string model;              // ReportModel::name
  std::string metric;             // that needs a reference
  std::vector<std::string> rows;  // ReportRow::id, slowest first
  // The row of the front farthest above the straight line between its ends (speed-up and metric
  // scaled to [0, 1]): past it speed costs the most quality. "" = fewer than three rows.
  std::string knee;
};

// A setting of a choice.
struct ReportOption {
  std::string row;  // ReportRow::id: the fastest of its policy that keeps the floor, or the nearest
  std::string policy;
  bool keeps = false;
  std::optional<double> worst;         // score of the worst videos; none = all are identical
  std::optional<Interval> worst_ci95;  // none of a single worst video
  int videos = 0;                      // that were scored, identical ones included
  // How many times faster the best option is over the same videos; value 0 = not known, this is
  // the best one, or it does not keep the floor.
  ReportSpeedup behind;
};

// Which setting of a model to use.
struct ReportChoice {
  std::string model;   // ReportModel::name
  std::string metric;  // of the floor
  double floor = 0;
  bool of_worst_video = false;  // ReportOption::worst is of one video; else of the worst 5 %
  // One per policy, the best first: by speed-up where it is known for all settings, else by
  // computed calls; then the policies that do not keep the floor, the nearest first.
  std::vector<ReportOption> options;
};

// The largest threshold of a model and coefficient set that keeps a quality.
struct ReportDecision {
  std::string model;  // ReportModel::name
  std::string fit;    // ReportFit::name
  std::string metric;
  double target = 0;  // the quality asked for
  bool worst = true;  // of the worst 5 % of the videos, below 20 of the worst; false = of the mean
  bool reached = false;
  double threshold = 0;          // the largest measured one that keeps it
  std::optional<Interval> ci95;  // of the threshold
  std::string row;   // ReportRow::id of the largest measured threshold that keeps it; "" = none
  std::string text;  // one sentence
};

// What a conclusion is about.
enum class ConclusionKind {
  kChoice,     // which setting to use
  kBaseline,   // TeaCache against a baseline at equal calls
  kFront,      // the settings that no other one beats
  kOverhead,   // where the saved calls go
  kSignal,     // how well the coefficients describe the signal
  kExtremes,   // thresholds that skip nothing or all they may
  kReplay,     // replayed against live schedules
  kAdherence,  // whether the videos show what the prompts ask for
  kPrompts,    // how the prompts of fit and test relate
  kTiming,     // how the seconds were measured
  kFailures,   // videos that failed
  kOther,      // of a report of version 0.1.0, which knew no kinds
};

struct Conclusion {
  ConclusionKind kind = ConclusionKind::kOther;
  std::string model;     // ReportModel::name; "" = about the whole report
  std::string headline;  // of a choice: what to do, in one sentence; else ""
  std::string text;      // further sentences; "" = none
};

struct Report {
  static constexpr int kVersion = 2;  // 1, of 0.1.0, is read too
  ReportContext context;
  std::vector<ReportModel> models;
  std::vector<MetricInfo> metrics;  // what the scores are, in the order in which they are shown
  std::vector<ReportFit> fits;
  std::vector<ReportRow> rows;  // uncached first, then by policy and parameter
  std::vector<ReportComparison> comparisons;
  std::vector<ReportChoice> choices;
  std::vector<RequirementOutcome> requirements;  // of context.require, for every cached setting
  std::vector<ReportFront> fronts;
  std::vector<ReportDecision> decisions;
  std::vector<Conclusion> conclusions;  // choices come first in each model
};

// The score, pooled score or difference called `name`, or nullptr.
template <typename T>
const T* Find(const std::map<std::string, T>& scores, const std::string& name) {
  const auto found = scores.find(name);
  return found == scores.end() ? nullptr : &found->second;
}

}  // namespace teacache
