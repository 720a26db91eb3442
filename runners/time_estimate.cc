#include "runners/time_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace teacache {
namespace {

constexpr int kLastCall = 2;            // that is waited for
constexpr double kWorthSayingS = 30.0;  // shorter runs need no estimate

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

TimeEstimate::TimeEstimate(int64_t items, int calls, int jobs, ProgressSink* progress)
    : items_(items), calls_(calls), jobs_(jobs), progress_(progress) {}

void TimeEstimate::AfterCall(int call) {
  const std::lock_guard lock(mutex_);
  if (done_) return;
  if (call == 0) start_s_ = Now();
  if (call != kLastCall || start_s_ < 0) return;
  done_ = true;
  const double per_call = (Now() - start_s_) / kLastCall;
  const double per_item = per_call * calls_;
  const int64_t rounds = (items_ + jobs_ - 1) / std::max(jobs_, 1);
  const double total = per_item * static_cast<double>(rounds);
  if (total < kWorthSayingS) return;
  progress_->Note(
      fmt::format("estimate: {:.2g} s a call, {} for the {} calls of one video, {} for {}",
                  per_call,
                  FormatSeconds(per_item),
                  calls_,
                  FormatSeconds(total),
                  items_));
}

}  // namespace teacache
