#include "datasets/base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "datasets/base/message.h"

namespace teacache {
namespace {

constexpr double kTerminalInterval = 0.1;
constexpr int kBarWidth = 24;

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ProgressPrinterOptions StandardErrorOptions() {
  ProgressPrinterOptions options;
  options.terminal = isatty(STDERR_FILENO) == 1;
  struct winsize size {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    options.width = size.ws_col;
  }
  return options;
}

std::string FormatRate(double per_second) {
  if (per_second >= 0.1) {
    return fmt::format("{:.{}f}/s", per_second, per_second >= 100 ? 0 : 1);
  }
  return fmt::format("{:.1f}/min", per_second * 60);
}

std::string Bar(const Progress& progress) {
  const double part = std::clamp(
      static_cast<double>(progress.done) / static_cast<double>(progress.total), 0.0, 1.0);
  const int full = static_cast<int>(part * kBarWidth);
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "]";
}

// Cuts at `width` bytes, not inside of a UTF-8 character.
std::string CutTo(std::string text, size_t width) {
  if (text.size() > width) {
    while (width > 0 && (static_cast<unsigned char>(text[width]) & 0xC0) == 0x80) {
      --width;
    }
    text.resize(width);
  }
  return text;
}

class NoSink : public ProgressSink {
 public:
  void Report(const Progress&) override {}
  void Warn(std::string_view) override {}
};

}  // namespace

ProgressSink& NoProgress() {
  static NoSink sink;
  return sink;
}

std::string FormatSeconds(double seconds) {
  const int64_t s = std::llround(std::clamp(seconds, 0.0, 1e12));
  if (s < 60) {
    return fmt::format("{} s", s);
  }
  if (s < 3600) {
    return fmt::format("{} min {} s", s / 60, s % 60);
  }
  if (s < 24 * 3600) {
    return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  }
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

ProgressPrinter::ProgressPrinter() : ProgressPrinter(std::cerr, StandardErrorOptions()) {}

ProgressPrinter::ProgressPrinter(std::ostream& out, ProgressPrinterOptions options)
    : out_(out), options_(std::move(options)) {
  if (!options_.clock) {
    options_.clock = SteadySeconds;
  }
  if (options_.terminal) {
    options_.interval_s = kTerminalInterval;
  }
}

ProgressPrinter::~ProgressPrinter() { EndLine(); }

void ProgressPrinter::EndLine() {
  if (line_open_) {
    out_ << '\n' << std::flush;
    line_open_ = false;
  }
}

void ProgressPrinter::Report(const Progress& progress) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const double now = options_.clock();
  if (progress.task != task_ || last_print_s_ < 0 || progress.done < start_done_) {
    EndLine();
    task_ = progress.task;
    start_s_ = now;
    start_done_ = progress.done;
    last_print_s_ = -1;
  }
  const bool last = progress.total >= 0 && progress.done >= progress.total;
  if (last_print_s_ >= 0 && !last && now - last_print_s_ < options_.interval_s) {
    return;
  }
  last_print_s_ = now;

  std::string line = progress.task;
  if (progress.total >= 0) {
    if (options_.terminal && progress.total > 0) {
      line += "  " + Bar(progress);
    }
    line += fmt::format("  {}/{} {}", progress.done, progress.total, progress.unit);
  } else {
    line += fmt::format("  {} {}", progress.done, progress.unit);
  }
  const int64_t finished = progress.done - start_done_;
  const double elapsed = now - start_s_;
  if (finished > 0 && elapsed > 0) {
    const double rate = static_cast<double>(finished) / elapsed;
    line += "  " + FormatRate(rate);
    if (last) {
      line += "  in " + FormatSeconds(elapsed);
    } else if (progress.total >= 0) {
      line += "  " + FormatSeconds(static_cast<double>(progress.total - progress.done) / rate) +
              " left";
    }
  }
  if (!progress.item.empty()) {
    line += "  " + OneLine(progress.item);
  }
  if (options_.terminal) {
    out_ << "\r\x1b[K" << CutTo(line, static_cast<size_t>(std::max(options_.width - 1, 20)));
    out_ << std::flush;
    line_open_ = true;
    if (last) {
      EndLine();
    }
  } else {
    out_ << line << '\n' << std::flush;
  }
}

void ProgressPrinter::PrintLine(std::string_view text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (line_open_) {
    out_ << "\r\x1b[K";
    line_open_ = false;
  }
  out_ << text << '\n' << std::flush;
}

void ProgressPrinter::Warn(std::string_view message) { PrintLine("warning: " + OneLine(message)); }

void ProgressPrinter::Note(std::string_view message) { PrintLine(OneLine(message)); }

}  // namespace teacache
