#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reports/data/report.h"

namespace teacache {

// Folders of videos that any engine made, as datasets/FORMATS.md describes them ("Folders for
// sweep-report render"): one folder per setting, with the videos, perhaps setting.json, and perhaps
// timing.csv or timing.jsonl. Run folders of generate-videos are such folders too.

// One measurement; a video may have several.
struct ForeignTime {
  std::string name;  // the video's file name without folder and extension
  std::string prompt;
  std::optional<int64_t> seed;
  double seconds = -1;  // end to end; -1 = not given
  double transformer_seconds = -1;
  double decode_seconds = -1;
  std::vector<bool> computed;  // schedule; empty = not given
  int computed_calls = 0;      // where only their number is known; 0 = not given
  std::vector<ReportRight> shows;
};

struct ForeignSetting {
  std::string folder;  // as given
  std::string videos;  // where the videos lie: the folder itself or `videos` in it
  std::string name;    // the folder's, made fit for addresses
  std::string model;   // "" = not given
  std::string policy;  // "none" = uncached
  std::string label;
  std::string fit;
  std::string matches;  // name of the setting it is to be compared with; "" = not given
  std::optional<double> threshold;
  std::optional<double> computed_target;
  int calls = 0;  // of one uncached run; 0 = not given
  std::vector<ForeignTime> times;
};

// The settings in `folder`: itself when it holds videos, otherwise its subfolders that do. Throws
// UserError for a folder without videos and for files that are not as described, naming file and
// line or key.
std::vector<ForeignSetting> ReadForeignSettings(const std::string& folder);

}  // namespace teacache
