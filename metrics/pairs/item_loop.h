#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/base/progress.h"

namespace teacache {

// Long work item by item, by several threads, with a journal of what is finished.

struct LoopItem {
  std::string name;  // for progress
  std::string key;   // what a finished item is recognised by, e.g. names and FileStamp of its files
};

struct ItemLoopOptions {
  std::string program;               // the journal's kind
  int jobs = 1;                      // threads; 0 = one per processor
  std::string journal;               // file; "" = none
  nlohmann::json settings;           // of the journal: going on with others is refused
  ProgressSink* progress = nullptr;  // none = silent
};

// Calls work(i) for every item that the journal does not know, in order, `jobs` at a time. What it
// returns is remembered (null = nothing: to be tried again next time) and given to restore(i, ...)
// when the work goes on after an interruption; restore returns false for what it cannot use. Throws
// the first exception of `work`, and Interruption when interrupted (see InterruptGuard).
void RunItems(const std::vector<LoopItem>& items,
              const ItemLoopOptions& options,
              const std::function<bool(size_t, const nlohmann::json&)>& restore,
              const std::function<nlohmann::json(size_t)>& work);

// Size and time of the last change of a file, or of a folder and everything in it: whether a
// finished score still belongs to it. "" when there is none.
std::string FileStamp(const std::string& path);

}  // namespace teacache
