#include "datasets/base/interrupt.h"

#include <signal.h>

#include <array>
#include <cstddef>

namespace teacache {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};
std::array<struct sigaction, kSignals.size()> old_actions;
volatile sig_atomic_t interrupted = 0;

// SA_RESETHAND makes the next signal of this kind end the process.
void OnSignal(int) { interrupted = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &old_actions[i]);
  }
}

InterruptGuard::~InterruptGuard() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &old_actions[i], nullptr);
  }
  interrupted = 0;
}

bool Interrupted() { return interrupted != 0; }

}  // namespace teacache
