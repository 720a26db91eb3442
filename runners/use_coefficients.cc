#include "runners/use_coefficients.h"

#include <fmt/format.h>

#include <cmath>

#include "calib/rules/signal_kind.h"
#include "datasets/base/error.h"

namespace teacache {

UsedCoefficients UseCoefficients(const Coefficients& coefficients,
                                 const std::string& path,
                                 const SystemInfo& system,
                                 bool force) {
  const CoefficientProvenance& p = coefficients.provenance;
  UsedCoefficients used;
  used.set = coefficients.set;
  const auto refuse = [&](const std::string& text) {
    if (!force) ThrowUserError(path, "{} (--force-coeffs uses them anyway)", text);
    used.warnings.push_back(fmt::format("{}: {}", path, text));
  };
  if (p.model.empty()) {
    used.warnings.push_back(fmt::format(
        "{}: does not say which model it was fitted to; it is used with {}", path, system.name));
  } else if (p.model != system.name) {
    refuse(fmt::format("must be fitted to the model {} but is to {}", system.name, p.model));
  }
  if (DifferentSignals(p.modulated, system.modulated)) {
    refuse(fmt::format("must be fitted to {}, which {} compares, but is to {}",
                       DescribeSignal(system.modulated),
                       system.name,
                       DescribeSignal(p.modulated)));
  }
  if (!coefficients.experts.empty()) {
    std::string names;
    for (const auto& [name, set] : coefficients.experts)
      names += (names.empty() ? "" : ", ") + name;
    refuse(
        fmt::format("must have coefficients of one model but has those of experts ({}), which "
                    "{} does not have; the first one's would be used",
                    names,
                    system.name));
    used.set = coefficients.experts.begin()->second;
  }

  const auto differs = [&](const char* what, const auto& fitted, const auto& own) {
    used.warnings.push_back(
        fmt::format("{}: was fitted with {} {}, but this run has {}", path, what, fitted, own));
  };
  if (!p.scheduler.empty() && p.scheduler != system.scheduler) {
    differs("scheduler", p.scheduler, system.scheduler);
  }
  if (p.steps > 0 && p.steps != system.steps) differs("steps", p.steps, system.steps);
  if (p.guidance > 0 && p.guidance != system.guidance) {
    differs("guidance", p.guidance, system.guidance);
  }
  if (!p.dtype.empty() && p.dtype != system.dtype) differs("dtype", p.dtype, system.dtype);
  const auto size = [](int width, int height, int frames) {
    return fmt::format("{}x{}x{}", width, height, frames);
  };
  const bool known = p.width > 0 || p.height > 0 || p.frames > 0;
  const std::string fitted = size(p.width, p.height, p.frames);
  const std::string own = size(system.width, system.height, system.frames);
  if (known && fitted != own) differs("size", fitted, own);
  return used;
}

RangeCount CountOutside(const std::vector<CallRecord>& calls, const Interval& range) {
  RangeCount count;
  for (const CallRecord& call : calls) {
    if (call.decision.forced) continue;
    ++count.decided;
    if (range.width() > 0 && !(call.r >= range.lo && call.r <= range.hi)) ++count.outside;
  }
  return count;
}

}  // namespace teacache
