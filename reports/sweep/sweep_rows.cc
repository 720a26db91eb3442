#include "reports/sweep/sweep_rows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "calib/replay/replay.h"
#include "datasets/base/statistics.h"

namespace teacache {
namespace {

using RunKey = std::pair<int, int64_t>;  // prompt, seed

// Branch after branch of every run, by prompt and seed.
std::map<RunKey, std::vector<std::vector<bool>>> Schedules(const ReplayInput& input,
                                                           const std::vector<std::string>& prompts,
                                                           const ReplayOptions& options) {
  std::map<RunKey, std::vector<std::vector<bool>>> schedules;
  for (const SignalRun& run : input.runs) {
    const auto prompt = std::ranges::find(prompts, input.prompts[run.prompt]);
    schedules[{static_cast<int>(prompt - prompts.begin()), run.seed}].push_back(
        ReplayRun(run, options));
  }
  return schedules;
}

void SetTimes(const std::vector<TimedRun>& runs, ReportVideo* video) {
  if (runs.empty()) return;
  std::vector<double> decode;
  for (const TimedRun& run : runs) {
    video->transformer_runs.push_back(run.transformer);
    video->total_runs.push_back(run.total());
    decode.push_back(run.decode);
  }
  video->transformer_seconds = Median(video->transformer_runs);
  video->decode_seconds = Median(decode);
  video->total_seconds = Median(video->total_runs);
}

}  // namespace

ReportModel DescribeModel(const SystemInfo& info, TeaCacheMode mode) {
  ReportModel model;
  model.name = info.name;
  model.description = info.description;
  model.weights_digest = info.weights_digest;
  model.parameters = info.parameters;
  model.dtype = info.dtype;
  model.scheduler = info.scheduler;
  model.steps = info.steps;
  model.calls = info.calls;
  model.guidance = info.guidance;
  model.width = info.width;
  model.height = info.height;
  model.frames = info.frames;
  model.fps = info.fps;
  model.teacache_mode = NameOf(kTeaCacheModes, mode);
  return model;
}

bool ReplaySchedules(const SweepExtent& extent,
                     const SweepCalibration& calibration,
                     const TraceStore& traces,
                     const std::string& trace_path,
                     SweepVideos* videos) {
  const bool recorded = std::ranges::all_of(extent.prompts, [&](const std::string& prompt) {
    return std::ranges::all_of(extent.seeds,
                               [&](int64_t seed) { return traces.Has(prompt, seed); });
  });
  if (!recorded) return false;
  const Trace trace = traces.Select(extent.prompts, extent.seeds);
  WriteTrace(trace_path, trace);
  const EngineRule& rule = FindEngineRule("teacache");
  const ReplayInput input = MakeReplayInput(trace, rule);
  for (const SweepSetting& setting : extent.settings) {
    if (setting.policy != "teacache") continue;
    const ReplayOptions options{
        rule, Polynomial(calibration.sets[setting.set].coefficients), setting.threshold, {}};
    for (const auto& [run, branches] : Schedules(input, extent.prompts, options)) {
      std::vector<bool>& replayed = videos->At(setting.id, run.first, run.second).video.replayed;
      replayed.clear();
      // Live schedules have the branches of a call together.
      for (int call = 0; call < input.calls; ++call) {
        for (const auto& branch : branches) replayed.push_back(branch[call]);
      }
    }
  }
  return true;
}

ReportRow MakeRow(const SweepSetting& setting,
                  const SweepExtent& extent,
                  const SystemInfo& info,
                  const SweepCalibration& calibration,
                  const SweepVideos& videos,
                  const SweepStore& store) {
  ReportRow row;
  row.id = setting.id;
  row.model = info.name;
  row.policy = setting.policy;
  row.calls = info.calls;
  row.matches = setting.matches;
  if (setting.policy == "teacache") {
    row.fit = calibration.sets[setting.set].name;
    row.threshold = setting.threshold;
  }
  double computed = 0;
  int good = 0;
  for (int prompt = 0; prompt < std::ssize(extent.prompts); ++prompt) {
    for (const int64_t seed : extent.seeds) {
      const SweepItem& item = videos.At(setting.id, prompt, seed);
      row.videos.push_back(item.video);
      SetTimes(store.Times(item.key), &row.videos.back());
      row.bytes += item.bytes;
      if (!item.video.error.empty()) continue;
      row.codec = item.codec;
      computed += static_cast<double>(std::ranges::count(item.video.computed, true));
      ++good;
      if (setting.policy != "steps") {
        row.calls = std::max(row.calls, static_cast<int>(item.video.computed.size()));
      }
    }
  }
  if (!setting.matches.empty() && good > 0) row.computed_target = computed / good;
  return row;
}

}  // namespace teacache
