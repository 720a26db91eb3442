#include "reports/data/run_context.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "datasets/base/version.h"

namespace teacache {

extern const char* const kGitCommit;  // generated, see cmake/GitCommit.cmake

namespace {

// The value of the first line "key<separator>value" of a file such as /proc/cpuinfo, or "".
std::string FieldOf(const std::string& path, const std::string& key, char separator) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t at = line.find(separator);
    if (at == std::string::npos || !line.starts_with(key)) continue;
    const size_t start = line.find_first_not_of(" \t\"", at + 1);
    const size_t end = line.find_last_not_of(" \t\"\r");
    return start == std::string::npos ? "" : line.substr(start, end - start + 1);
  }
  return "";
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

std::string Processor() {
  const int64_t count = sysconf(_SC_NPROCESSORS_ONLN);
  const std::string name = FieldOf("/proc/cpuinfo", "model name", ':');
  return fmt::format("{} × {}", count, name.empty() ? "unknown processor" : name);
}

}  // namespace

double MachineLoad() {
  double load = -1;
  return getloadavg(&load, 1) == 1 ? load : -1;
}

std::string UtcTime(int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

ReportContext DescribeRun(const std::vector<std::string>& argv,
                          const std::string& device,
                          int threads) {
  ReportContext context;
  context.tool_version = kVersion;
  context.git_commit = kGitCommit;
  context.started = UtcTime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  context.machine = HostName();
  context.os = FieldOf("/etc/os-release", "PRETTY_NAME", '=');
  context.cpu = Processor();
  context.device = device;
  context.threads = threads;
  context.processors = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  context.load = MachineLoad();
  context.libraries = {{"LibTorch", TEACACHE_TORCH_VERSION},
                       {"plotly.js", TEACACHE_PLOTLY_VERSION}};
  context.argv = argv;
  if (!context.argv.empty()) {
    context.argv[0] = std::filesystem::path(context.argv[0]).filename().string();
  }
  return context;
}

}  // namespace teacache
