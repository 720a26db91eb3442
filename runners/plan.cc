#include "runners/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace teacache {
namespace {

std::string Scaled(double value, const std::array<const char*, 4>& units) {
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1000;
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, digits, units[unit]);
}

std::string Row(const std::string& part,
                const std::string& parameters,
                const std::string& disk,
                const std::string& memory,
                const std::string& path) {
  return fmt::format("{:<18} {:>11} {:>10} {:>10}  {}\n", part, parameters, disk, memory, path);
}

}  // namespace

std::string FormatBytes(int64_t bytes) {
  return Scaled(static_cast<double>(bytes), {"B", "kB", "MB", "GB"});
}

std::string DescribePlan(const System& system, bool offload, int64_t videos) {
  const SystemInfo& info = system.info();
  std::string text = fmt::format(
      "{}: {} videos of {} x {} pixels, {} frames; {} steps of {} ({} calls), guidance {}, {} on "
      "{}\n",
      info.name,
      videos,
      info.width,
      info.height,
      info.frames,
      info.steps,
      info.scheduler,
      info.calls,
      info.guidance,
      info.dtype,
      info.device);
  const std::vector<PartPlan> parts = system.Plan();
  if (parts.empty()) return text;
  text += Row("part", "parameters", "on disk", "in memory", "weights");
  int64_t sum = 0;
  int64_t largest = 0;
  for (const PartPlan& part : parts) {
    text +=
        Row(part.part,
            part.parameters > 0 ? Scaled(static_cast<double>(part.parameters), {"", "k", "M", "G"})
                                : "-",
            FormatBytes(part.file_bytes),
            FormatBytes(part.memory_bytes),
            part.path);
    sum += part.memory_bytes;
    largest = std::max(largest, part.memory_bytes);
  }
  text += fmt::format("weights in memory at one time: {} ({} --offload: {})\n",
                      FormatBytes(offload ? largest : sum),
                      offload ? "without" : "with",
                      FormatBytes(offload ? sum : largest));
  return text;
}

}  // namespace teacache
