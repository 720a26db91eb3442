#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "datasets/video/video.h"
#include "metrics/pairs/score_video.h"
#include "metrics/vbench/video_score.h"
#include "reports/data/report.h"
#include "reports/sweep/sweep.h"
#include "reports/sweep/sweep_calibration.h"
#include "reports/sweep/sweep_settings.h"
#include "reports/sweep/sweep_store.h"
#include "runners/systems/system.h"

namespace teacache {

// One video of the sweep, as far as it is known.
struct SweepItem {
  std::string key;  // "" = not made in this run of the program and not found
  ReportVideo video;
  std::string codec;
  int64_t bytes = 0;
};

// The videos of a sweep: each is made and scored unless that was done before, and timed. What fails
// is kept as the video's error.
class SweepVideos {
 public:
  // Everything given must outlive the object; `prompts` are the test prompts.
  SweepVideos(const System& system,
              const SweepOptions& options,
              const std::vector<std::string>& prompts,
              const SweepCalibration& calibration,
              SweepStore* store);

  // Makes one video. The uncached setting of a prompt and seed comes first, a baseline after what
  // it matches.
  void Finish(const SweepSetting& setting, int prompt, int64_t seed);
  // One more timed run where there are not more than `round`.
  void Time(const SweepSetting& setting, int prompt, int64_t seed, int round);

  // Scores the videos of a prompt and seed against the uncached one, all in one pass over it: what
  // metrics compute of it alone is computed once.
  void Score(const std::vector<SweepSetting>& settings, int prompt, int64_t seed);

  // What went wrong with single videos without making them fail.
  std::vector<std::string> Warnings() const;

  SweepItem& At(const std::string& setting, int prompt, int64_t seed) {
    return items_.at({setting, prompt, seed});
  }
  const SweepItem& At(const std::string& setting, int prompt, int64_t seed) const {
    return items_.at({setting, prompt, seed});
  }

 private:
  using Key = std::tuple<std::string, int, int64_t>;  // setting, prompt, seed

  int CallsToMatch(const SweepSetting& setting, int prompt, int64_t seed) const;
  SweepMethod MethodOf(const SweepSetting& setting, int prompt, int64_t seed);
  std::string KeyOf(const SweepSetting& setting,
                    const SweepMethod& method,
                    int prompt,
                    int64_t seed) const;
  const StoredVideo& Make(const SweepMethod& method,
                          int prompt,
                          int64_t seed,
                          const SweepItem& item);
  void Write(const std::string& relative, const Video& video, const VideoWriterOptions& writer);
  void ScoreTogether(const SweepItem& uncached, std::span<SweepItem* const> items);
  void ScoreAlone(int prompt, SweepItem* item);
  std::string Path(const std::string& relative) const;

  const System& system_;
  const SweepOptions& options_;
  const std::vector<std::string>& prompts_;
  SweepStore& store_;
  SweepMethods methods_;
  ScoreOptions score_;
  std::string scores_definition_;
  std::string vbench_definition_;
  std::vector<VbenchVideoScore> vbench_failed_;
  std::map<Key, SweepItem> items_;
};

}  // namespace teacache
