#pragma once

#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace teacache {

// How a program ended, and what it wrote.
struct ProcessResult {
  int exit_code = -1;  // -1: it was ended by a signal
  int signal = 0;      // that signal
  bool timed_out = false;
  std::string out;
  std::string err;

  std::vector<std::string> ErrLines() const;
};

struct ProcessOptions {
  double timeout_s = 120;                          // after which it is killed; the result says so
  std::map<std::string, std::string> environment;  // set on top of the tests' own
  // Asked every few milliseconds while the program runs; when it returns a signal other than 0,
  // that is sent, once.
  std::function<int()> signal_when;
};

// Runs a program to its end. `argv[0]` is the path of the program. Variables of job systems (Slurm,
// torchrun, MPI) are taken out of the environment.
ProcessResult RunProcess(const std::vector<std::string>& argv, const ProcessOptions& options = {});

}  // namespace teacache
