#pragma once

#include <string>
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

// While one exists, a SIGINT or SIGTERM that nothing else handles prints
// "PROGRAM: interrupted; run the same command again" before it ends the process as usual. For
// programs; an InterruptGuard goes before it. Only one may exist at a time.
class InterruptMessage {
 public:
  explicit InterruptMessage(const std::string& program);
  ~InterruptMessage();
  InterruptMessage(const InterruptMessage&) = delete;
  InterruptMessage& operator=(const InterruptMessage&) = delete;
};

// Long work ended early because of that: main exits with 1, since not everything was done.
class Interruption : public UserError {
 public:
  explicit Interruption(std::string_view what) : UserError("interrupted", what) {}
};

}  // namespace teacache
