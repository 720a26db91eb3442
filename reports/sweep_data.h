#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace teacache {

// A finished sweep as plain values: what the writers of report.json, report.csv, report.md and
// report.html take, and what ReadReportJson gives back. Nothing here computes.
//
// Conventions: seconds are wall clock; PSNR is in dB (a pair of identical videos has none), SSIM is
// in [-1, 1], LPIPS >= 0 (lower is better); intervals are 95 %; paths are relative to the report's
// folder with '/' between parts; prompt numbers are 0-based positions in
// SweepContext::test_prompts.

struct SweepInterval {
  double lo = 0;
  double hi = 0;
};

// Where, when and how the sweep ran.
struct SweepContext {
  std::string title;         // heading of the page; "" = made from the models' names
  std::string tool_version;  // "0.1.0"
  std::string git_commit;    // "" = unknown
  std::string started;       // ISO 8601, UTC
  double seconds = 0;        // of the whole sweep; 0 = unknown
  std::string machine;       // host name or a description
  std::string os;
  std::string cpu;
  std::string device;  // "cpu", "cuda:0 NVIDIA H200", ...
  int threads = 0;     // 0 = unknown
  double load = -1;    // one-minute load average at the start; -1 = unknown
  std::vector<std::pair<std::string, std::string>> libraries;  // name, version
  std::vector<std::string> argv;                               // without the program's folder
  std::vector<std::string> fit_prompts;                        // disjoint from test_prompts
  std::vector<std::string> test_prompts;
  std::vector<int64_t> seeds;         // every test prompt is generated once per seed
  std::vector<std::string> warnings;  // e.g. "LPIPS was left out: no weights"
};

struct SweepModel {
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
};

// One point that the polynomial is fitted to: relative L1 change of the modulated input (x) and of
// the residual of the blocks (y) between two calls of one run.
struct SweepPair {
  double x = 0;
  double y = 0;
  int prompt = 0;  // 0-based position in SweepContext::fit_prompts; -1 = unknown
  int call = 0;    // 0-based; the later of the two calls
};

// A coefficient set: fitted here, or taken from a publication (then without pairs).
struct SweepFit {
  std::string name = "fitted";
  std::string model;                 // SweepModel::name
  std::vector<double> coefficients;  // highest power first
  std::vector<SweepPair> pairs;
  std::optional<double> r2;
  std::optional<double> pearson;  // of x and y
  std::optional<SweepInterval> r2_ci95;
  std::optional<SweepInterval> pearson_ci95;
  std::optional<double> rmse;
  SweepInterval x_range;  // of the pairs; outside it the polynomial extrapolates
  SweepInterval y_range;
};

// Pooled over the videos of one setting that were scored.
struct SweepMetric {
  std::optional<double> mean;  // none when every pair is identical (PSNR) or failed
  std::optional<double> median;
  std::optional<double> std;          // sample standard deviation
  std::optional<SweepInterval> ci95;  // of the mean
  std::optional<double> p5;           // worst 5 %: 5th percentile, for LPIPS the 95th
  int n = 0;                          // videos that have a number
  int identical = 0;                  // pairs that are equal in every pixel
};

// Seconds per video.
struct SweepTiming {
  double median = 0;
  double lo = 0;  // 25th percentile
  double hi = 0;  // 75th percentile
  int n = 0;      // measurements; 0 = not measured
};

// How many times faster than the uncached runs of the same model.
struct SweepSpeedup {
  double value = 1;
  std::optional<SweepInterval> ci95;
};

// Share of videos that show what the prompt asks for, on one axis ("shape", "colour", ...), judged
// against the known scene.
struct SweepShare {
  std::string axis;
  double share = 0;  // in [0, 1]
};

// One generated video of a setting.
struct SweepVideo {
  int prompt = 0;  // 0-based position in SweepContext::test_prompts
  int64_t seed = 0;
  std::string path;            // of the video file; "" = not kept
  std::string error;           // "" = fine; else the video counts nowhere
  std::vector<bool> computed;  // per transformer call: computed or taken from the cache
  bool identical = false;      // to the uncached video
  std::optional<double> psnr;  // against the uncached video of the same prompt and seed
  std::optional<double> ssim;
  std::optional<double> lpips;
  double transformer_seconds = -1;  // -1 = not measured
  double decode_seconds = -1;
  double total_seconds = -1;
};

// One setting: a policy with its parameter, over all test videos.
struct SweepRow {
  std::string id;  // unique in the report and fit for a URL: "none", "teacache-0.1", "uniform-12"
  std::string model;                      // SweepModel::name
  std::string policy;                     // "none", "teacache", "uniform", "mask", "steps"
  std::string fit;                        // SweepFit::name used by the policy; "" = none
  std::optional<double> threshold;        // of teacache
  std::optional<double> computed_target;  // computed calls asked for; of uniform, mask, steps
  // The teacache row whose computed calls this one was given, video by video or on average; the two
  // are compared as a pair. "" = none.
  std::string matches;

  int calls = 0;             // transformer calls of one run
  double computed_mean = 0;  // computed calls of one run, mean over the videos
  int computed_min = 0;
  int computed_max = 0;
  int longest_skip = 0;  // longest run of skipped calls in any video

  SweepTiming transformer;
  SweepTiming decode;
  SweepTiming total;  // end to end
  SweepSpeedup speedup_transformer;
  SweepSpeedup speedup_total;

  std::optional<SweepMetric> psnr;  // absent for the uncached row and where not measured
  std::optional<SweepMetric> ssim;
  std::optional<SweepMetric> lpips;
  std::vector<SweepShare> adherence;  // empty = not judged
  std::optional<double> scene_iou;    // mean overlap with the true scene

  int64_t bytes = 0;  // of the video files; 0 = unknown
  std::vector<SweepVideo> videos;
};

// Mean difference of two rows over the same videos, a minus b, with a bootstrap interval.
struct SweepDifference {
  double mean = 0;
  SweepInterval ci95;
  int n = 0;  // videos that have the metric in both rows
};

struct SweepComparison {
  std::string a;  // SweepRow::id, a teacache row
  std::string b;  // SweepRow::id of the baseline with as many computed calls
  std::optional<SweepDifference> psnr;
  std::optional<SweepDifference> ssim;
  std::optional<SweepDifference> lpips;
};

struct SweepReport {
  static constexpr int kVersion = 1;
  SweepContext context;
  std::vector<SweepModel> models;
  std::vector<SweepFit> fits;
  std::vector<SweepRow> rows;  // uncached first, then by policy and parameter
  std::vector<SweepComparison> comparisons;
  std::vector<std::string> conclusions;  // sentences; the first is the verdict
};

}  // namespace teacache
