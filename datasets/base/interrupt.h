#pragma once

#include <string_view>

#include "datasets/base/error.h"

namespace teacache {

// While one exists, the first SIGINT or SIGTERM only sets a flag, so that loops can stop after the
// item in work; a second one ends the process as usual. For main functions; the library asks
// Interrupted() between items. Only one may exist at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// Was the process asked to stop? Always false without an InterruptGuard.
bool Interrupted();

// Long work ended early because of that: main exits with 1, since not everything was done.
class Interruption : public UserError {
 public:
  explicit Interruption(std::string_view what) : UserError("interrupted", what) {}
};

}  // namespace teacache
