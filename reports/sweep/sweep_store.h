#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "datasets/base/journal.h"
#include "reports/data/report.h"

namespace teacache {

// Seconds of one timed run.
struct TimedRun {
  double transformer = 0;
  double decode = 0;
  double total() const { return transformer + decode; }
};

// What is remembered of one finished video. It is known by its key, a digest of the setting's name
// and everything that decides about its pixels; where it lies may change.
struct StoredVideo {
  std::string key;
  ReportVideo video;  // paths, computed, shows, scene_iou; no scores, no seconds
  std::string codec;
  int64_t bytes = 0;  // of the scored file
};

// Finished work of a sweep in its folder: a journal (sweep.jsonl) of videos, timed runs and scores,
// and the video files. A file that another setting needs the place of, or that no setting of this
// sweep needs, is moved into kept/ and back when it is needed again, so that trying other options
// loses nothing.
class SweepStore {
 public:
  // `machine` says whose seconds count: those measured on another one are left out. Throws
  // UserError.
  SweepStore(const std::string& folder, const std::string& machine);

  // The video of `key` if it is finished, its files put where `want` says (the paths of `want` are
  // relative to the folder). Whatever else is there is moved away.
  const StoredVideo* Claim(const std::string& key, const ReportVideo& want);
  // Remembers a video whose files lie at its paths.
  const StoredVideo& Add(StoredVideo video);

  std::vector<TimedRun> Times(const std::string& key) const;
  // Kept in memory until WriteTimes(), so that the disk is left alone while others are timed.
  void AddTime(const std::string& key, const TimedRun& run);
  void WriteTimes();

  // Scores against the video `reference` by `definition`; nothing where they are not known. Only
  // identical and scores are filled.
  std::optional<ReportVideo> Scores(const std::string& key,
                                    const std::string& reference,
                                    const std::string& definition) const;
  void AddScores(const std::string& key,
                 const std::string& reference,
                 const std::string& definition,
                 const ReportVideo& scores);

  // Scores of a video by itself; nullptr where they are not known.
  const std::map<std::string, double>* Extra(const std::string& key,
                                             const std::string& definition) const;
  const std::map<std::string, double>& AddExtra(const std::string& key,
                                                const std::string& definition,
                                                const std::map<std::string, double>& extra);

  // Moves the files of all videos that were neither claimed nor added into kept/.
  void PutTheRestAside();

  // Warnings of the journal (a cut last line).
  const std::vector<std::string>& warnings() const { return journal_.warnings(); }

 private:
  void Load();
  std::string Path(const std::string& relative) const;
  std::string AsidePath(const std::string& key, const std::string& relative) const;
  static bool IsWhole(const std::string& path, const StoredVideo& video);
  bool IsAside(const StoredVideo& video) const;
  bool IsInPlace(const StoredVideo& video) const;
  void PutAside(const StoredVideo& video);
  void FreePlace(const std::string& key, const ReportVideo& want);

  std::string folder_;
  std::string machine_;
  Journal journal_;
  std::map<std::string, StoredVideo> videos_;  // by key
  std::map<std::string, std::string> owner_;   // scored_path -> key
  std::map<std::string, std::vector<TimedRun>> times_;
  std::vector<std::pair<std::string, TimedRun>> unwritten_;
  std::map<std::string, ReportVideo> scores_;
  std::map<std::pair<std::string, std::string>, std::map<std::string, double>> extra_;
  std::set<std::string> used_;
};

}  // namespace teacache
