#pragma once

#include <cstdint>
#include <mutex>

#include "datasets/base/progress.h"

namespace teacache {

// Says after the first calls of a long run how long it will take.
class TimeEstimate {
 public:
  // `items` samples of `calls` transformer calls, `jobs` of them at the same time.
  TimeEstimate(int64_t items, int calls, int jobs, ProgressSink* progress);

  // To be called when the blocks of a sample's call have run; of any thread. Only the first sample
  // counts.
  void AfterCall(int call);

 private:
  int64_t items_;
  int calls_;
  int jobs_;
  ProgressSink* progress_;
  std::mutex mutex_;
  bool done_ = false;
  double start_s_ = -1;  // end of the first call, whose time is not typical
};

}  // namespace teacache
