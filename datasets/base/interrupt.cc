#include "datasets/base/interrupt.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

namespace teacache {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};
using Actions = std::array<struct sigaction, kSignals.size()>;

Actions before_guard;
Actions before_message;
volatile sig_atomic_t interrupted = 0;
std::string message;  // what OnSignalWithMessage writes; not changed while it is the handler

void OnSignal(int) { interrupted = 1; }

void OnSignalWithMessage(int signal) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, message.data(), message.size());
  raise(signal);
}

// SA_RESETHAND makes the next signal of this kind end the process.
void Handle(void (*handler)(int), Actions* before) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &(*before)[i]);
}

void Restore(const Actions& before) {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupted = 0;
  Handle(OnSignal, &before_guard);
}

InterruptGuard::~InterruptGuard() {
  Restore(before_guard);
  interrupted = 0;
}

InterruptMessage::InterruptMessage(const std::string& program) {
  message = fmt::format("{}: interrupted; run the same command again\n", program);
  Handle(OnSignalWithMessage, &before_message);
}

InterruptMessage::~InterruptMessage() { Restore(before_message); }

bool Interrupted() { return interrupted != 0; }

}  // namespace teacache
