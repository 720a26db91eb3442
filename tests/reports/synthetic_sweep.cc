#include "tests/reports/synthetic_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "reports/findings/summaries.h"

namespace teacache {
namespace {

constexpr int kCalls = 30;
constexpr double kCallSeconds = 0.0105;
constexpr double kDecodeSeconds = 0.037;
constexpr double kRestSeconds = 0.008;
constexpr int kSize = 64;
constexpr int kFrames = 16;

// Uniform numbers without std::*_distribution, whose results differ between standard libraries.
class Noise {
 public:
  explicit Noise(uint64_t seed) : engine_(seed) {}
  double Uniform() { return static_cast<double>(engine_() >> 11) / 9007199254740992.0; }
  // Nearly normal, mean 0, deviation 1.
  double Normal() {
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum - 6;
  }

 private:
  std::mt19937_64 engine_;
};

std::vector<bool> Spread(int computed) {
  std::vector<bool> schedule(kCalls, false);
  for (int i = 0; i < computed; ++i) {
    schedule[static_cast<size_t>(std::lround(i * (kCalls - 1.0) / std::max(computed - 1, 1)))] =
        true;
  }
  return schedule;
}

// As TeaCache spends them: more of the calls early.
std::vector<bool> Early(int computed, Noise* noise) {
  std::vector<bool> schedule(kCalls, false);
  schedule.front() = schedule.back() = true;
  int left = computed - 2;
  for (int call = 1; call < kCalls - 1 && left > 0; ++call) {
    const double share = static_cast<double>(left) / (kCalls - 1 - call);
    const double bias = 1.5 - static_cast<double>(call) / kCalls;
    if (kCalls - 1 - call <= left || noise->Uniform() < share * bias) {
      schedule[call] = true;
      --left;
    }
  }
  return schedule;
}

// PSNR of a run with `computed` calls: about 28 dB at 4 calls, 56 dB at 27.
double BasePsnr(double computed) {
  return 27 + 29 * std::pow(std::max(computed - 4, 0.0) / 23, 0.8);
}

class Builder {
 public:
  explicit Builder(const SyntheticSweepOptions& options) : options_(options) {}

  Report Build();

 private:
  void FillContext();
  void FillModel();
  void FillFit();
  ReportVideo MakeVideo(
      const ReportRow& row, int prompt, int64_t seed, double computed, double gain);
  void AddRow(ReportRow row, double computed, double gain);

  SyntheticSweepOptions options_;
  Noise noise_{2024};
  Report report_;
};

void Builder::FillContext() {
  ReportContext& context = report_.context;
  context.tool_version = "0.1.0";
  context.git_commit = "0123456789ab";
  context.started = "2026-01-02T03:04:05Z";
  context.seconds = 187;
  context.machine = "test machine";
  context.os = "Linux";
  context.cpu = "2 cores of a processor";
  context.device = "cpu";
  context.threads = 2;
  context.processors = 2;
  context.load = 0.25;
  context.load_end = 1.1;
  context.timed_runs = 3;
  context.scored = "lossless files (ffv1), as they lie in videos/";
  context.prompts_asked = options_.prompts;
  context.libraries = {{"LibTorch", "2.11.0"}, {"plotly.js", "4.1.1"}};
  context.argv = {"sweep-report", "--model", "shapes", "--out", "out/demo"};
  const char* colors[] = {"red", "orange", "yellow", "green", "cyan", "blue", "pink", "red"};
  const char* shapes[] = {
      "circle", "square", "triangle", "star", "cross", "ring", "circle", "star"};
  for (int i = 0; i < options_.prompts; ++i) {
    context.fit_prompts.push_back(
        fmt::format("a small {} {} circling slowly on black", colors[i % 8], shapes[(i + 3) % 8]));
    context.test_prompts.push_back(
        fmt::format("a large {} {} moving left fast on gray", colors[i % 8], shapes[i % 8]));
  }
  context.test_prompts.back() = "a \"quoted\" </script><b>prompt</b>, with | and & in it";
  for (int seed = 0; seed < options_.seeds; ++seed) context.seeds.push_back(seed);
}

void Builder::FillModel() {
  ReportModel model;
  model.name = "shapes";
  model.description = "embedded text-to-video transformer";
  model.weights_digest = std::string(64, 'a');
  model.parameters = 9'400'000;
  model.dtype = "float32";
  model.scheduler = "rflow";
  model.steps = kCalls;
  model.calls = kCalls;
  model.guidance = 2;
  model.width = kSize;
  model.height = kSize;
  model.frames = kFrames;
  model.fps = 8;
  report_.models = {model};
  report_.metrics = {
      {.name = "temporal_flickering",
       .label = "temporal flickering",
       .needs_reference = false,
       .definition = "VBench: 1 - mean absolute difference of neighbouring frames / 255"}};
}

void Builder::FillFit() {
  ReportFit fit;
  fit.model = "shapes";
  fit.coefficients = {120.0, -60.0, 11.0, 0.55, 0.01};
  fit.r2 = 0.902;
  fit.pearson = 0.944;
  fit.x_range = {0.02, 0.24};
  for (int prompt = 0; prompt < options_.prompts; ++prompt) {
    for (int call = 1; call < kCalls; ++call) {
      const double x = 0.02 + 0.22 * std::exp(-call / 7.0) + 0.006 * noise_.Uniform();
      double y = 0;
      for (const double c : fit.coefficients) y = y * x + c;
      fit.pairs.push_back({x, y + 0.01 * noise_.Normal(), prompt, call});
    }
  }
  fit.r2_ci95 = Interval{0.87, 0.93};
  fit.y_range = {0.02, 0.3};
  ReportFit published;
  published.name = "published";
  published.source = "somebody's repository";
  published.model = "shapes";
  published.coefficients = {90.0, -40.0, 8.0, 0.7, 0.0};
  published.r2 = 0.61;
  published.x_range = {0.01, 0.3};
  report_.fits = {fit};
  if (options_.everything) report_.fits.push_back(published);
}

ReportVideo Builder::MakeVideo(
    const ReportRow& row, int prompt, int64_t seed, double computed, double gain) {
  ReportVideo video;
  video.prompt = prompt;
  video.seed = seed;

  const int count = std::clamp(static_cast<int>(std::lround(computed)), 2, kCalls);
  video.scored_path = fmt::format("videos/{}/{}-{}.mkv", row.id, prompt, seed);
  video.path = fmt::format("preview/{}/{}-{}.mp4", row.id, prompt, seed);
  video.computed = row.policy == "teacache" ? Early(count, &noise_)
                   : row.policy == "steps"  ? std::vector<bool>(count, true)
                                            : Spread(count);
  if (row.policy == "teacache") {
    video.replayed = video.computed;
    // A call in the middle moves by one where there are skips to move it over.
    if (count < 20 && video.replayed[14] != video.replayed[15]) {
      video.replayed.swap(video.replayed[14], video.replayed[15]);
    }
  }
  video.scores["temporal_flickering"] = 0.97 - 0.0005 * (kCalls - count);
  video.shows = {{"shape", noise_.Uniform() > 0.004 * (kCalls - count)},
                 {"colour", true},
                 {"motion", noise_.Uniform() < 0.97}};
  video.scene_iou = 0.87;
  video.transformer_seconds = kCallSeconds * count * (1 + 0.02 * noise_.Uniform());
  video.decode_seconds = kDecodeSeconds * (1 + 0.05 * noise_.Uniform());
  video.total_seconds = video.transformer_seconds + video.decode_seconds + kRestSeconds;
  for (const double factor : {0.99, 1.0, 1.02}) {
    video.transformer_runs.push_back(video.transformer_seconds * factor);
    video.total_runs.push_back(video.total_seconds * factor);
  }
  if (row.policy == "none") {
    video.identical = true;
    return video;
  }
  const double psnr =
      BasePsnr(count) + gain + 1.8 * std::sin(3.0 * prompt + seed) + 0.8 * noise_.Normal();
  video.scores["psnr"] = psnr;
  video.scores["ssim"] = 1 - 0.35 * std::pow(10.0, -(psnr - 22) / 14);
  if (options_.lpips) video.scores["lpips"] = 0.5 * std::pow(10.0, -(psnr - 18) / 16);
  return video;
}

void Builder::AddRow(ReportRow row, double computed, double gain) {
  row.model = "shapes";
  row.calls = kCalls;
  for (int prompt = 0; prompt < options_.prompts; ++prompt) {
    for (int seed = 0; seed < options_.seeds; ++seed) {
      const double own =
          row.policy == "teacache" ? computed + std::round(noise_.Normal() * 0.6) : computed;
      row.videos.push_back(MakeVideo(row, prompt, seed, own, gain));
    }
  }
  if (options_.failed_video && row.id == "teacache-0.3") {
    ReportVideo& video = row.videos.back();
    video.error = "decoder: no frames";
    video.scores.erase("psnr");
    video.scores.erase("ssim");
    video.scores.erase("lpips");
  }
  row.codec = "ffv1";
  row.bytes = 4096 * static_cast<int64_t>(row.videos.size());
  report_.rows.push_back(std::move(row));
}

Report Builder::Build() {
  FillContext();
  FillModel();
  FillFit();
  ReportRow uncached;
  uncached.id = uncached.policy = "none";
  AddRow(uncached, kCalls, 0);
  // Threshold, computed calls, how much better uniform skipping is (dB).
  const double settings[][3] = {{0.03, 27, 0.0},
                                {0.05, 22, 0.2},
                                {0.1, 15, 2.6},
                                {0.15, 12, 2.2},
                                {0.2, 9, 0.4},
                                {0.3, 7, 0.1},
                                {0.6, 5, -2.0}};
  for (const auto& [threshold, computed, gain] : settings) {
    ReportRow row;
    row.id = fmt::format("teacache-{}", threshold);
    row.policy = "teacache";
    row.fit = "fitted";
    row.threshold = threshold;
    AddRow(row, computed, 0);
  }
  for (const auto& [threshold, computed, gain] : settings) {
    for (const auto& [policy, more] : {std::pair{"uniform", gain},
                                       std::pair{"mask", gain + 0.5},
                                       std::pair{"magcache", gain - 1},
                                       std::pair{"steps", -6.0}}) {
      if (!options_.everything && std::string_view(policy).starts_with("ma")) continue;
      ReportRow row;
      row.id = fmt::format("{}-{}", policy, computed);
      row.policy = policy;
      row.computed_target = computed;
      row.matches = fmt::format("teacache-{}", threshold);
      AddRow(row, computed, more);
    }
  }
  // The same thresholds with other coefficients, which skip more.
  for (const auto& [threshold, computed, gain] : settings) {
    if (!options_.everything) break;
    ReportRow row;
    row.id = fmt::format("teacache-{}-published", threshold);
    row.policy = "teacache";
    row.fit = "published";
    row.threshold = threshold;
    AddRow(row, std::max(computed - 2, 4.0), -0.5);
  }
  const std::vector<std::string> order = {
      "none", "teacache", "uniform", "mask", "magcache", "steps"};
  std::ranges::stable_sort(report_.rows, {}, [&order](const ReportRow& row) {
    return std::ranges::find(order, row.policy) - order.begin();
  });
  SummarizeReport(&report_, {.bootstrap_samples = options_.bootstrap_samples});
  return std::move(report_);
}

}  // namespace

Report SyntheticSweep(const SyntheticSweepOptions& options) { return Builder(options).Build(); }

}  // namespace teacache
