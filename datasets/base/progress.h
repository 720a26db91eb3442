#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

namespace teacache {

// How far a loop is.
struct Progress {
  std::string task;    // "scoring", "step"
  std::string unit;    // what is counted, in plural: "videos"
  int64_t done = 0;    // items finished, resumed ones included
  int64_t total = -1;  // -1 = unknown
  std::string item;    // the last one finished; "" = no name
};

// What library functions report to. The library itself never prints. Calls may come from any
// thread.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void Report(const Progress& progress) = 0;
  // Something the user should know that is not an error.
  virtual void Warn(std::string_view message) = 0;
  // Something worth knowing meanwhile, like an estimate.
  virtual void Note(std::string_view /*message*/) {}
};

// Ignores everything.
ProgressSink& NoProgress();

struct ProgressPrinterOptions {
  bool terminal = false;   // one line that is drawn again; otherwise a line now and then
  int width = 80;          // columns of the terminal
  double interval_s = 10;  // least seconds between plain lines (0.1 s on a terminal)
  // Seconds since any moment.
  std::function<double()> clock;  // empty = std::chrono::steady_clock
};

// Prints "scoring  [####......]  12/40 videos  1.5/s  19 s left" with rate and time left. The rate
// counts from the first report, so that resumed items do not flatter it. For main functions.
class ProgressPrinter : public ProgressSink {
 public:
  // Standard error, drawn again when that is a terminal.
  ProgressPrinter();
  ProgressPrinter(std::ostream& out, ProgressPrinterOptions options);
  // Ends a line that was being drawn.
  ~ProgressPrinter() override;

  void Report(const Progress& progress) override;
  void Warn(std::string_view message) override;
  void Note(std::string_view message) override;

 private:
  void PrintLine(std::string_view text);
  void EndLine();

  std::ostream& out_;
  ProgressPrinterOptions options_;
  std::mutex mutex_;
  std::string task_;
  double start_s_ = 0;
  int64_t start_done_ = 0;
  double last_print_s_ = -1;
  bool line_open_ = false;
};

// "8 s", "2 min 5 s", "3 h 20 min", "2 d 4 h".
std::string FormatSeconds(double seconds);

}  // namespace teacache
